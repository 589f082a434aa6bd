package import Lease
import Logging
package import OAuth
import Postgres
import Storage
import Synchronization

/// The database, as what a node has its lease and its answers from. The stay is the node's row; it is
/// kept over a connection of its own.
package final class DatabaseUpstream: Upstream {
    package struct Configuration: Sendable {
        /// The database, as the pool has it.
        package var url: String
        /// How long a lease is.
        package var lease: Duration

        package init(url: String, lease: Duration) {
            self.url = url
            self.lease = lease
        }
    }

    /// A token, as it was presented, and as the codec opened it.
    package struct Question: Sendable {
        let token: Token
        let text: String
        let issuer: String

        init(_ token: Token, text: String, issuer: String) {
            self.token = token
            self.text = text
            self.issuer = issuer
        }
    }

    let configuration: Configuration
    private let store: Store
    private let newest: PrimaryGuard
    private let secrets: NodeSecrets
    private let version: String
    private let logger: Logger
    private let connection = Mutex<LogConnection?>(nil)
    /// The id of the row that this node has, or tried to have.
    private let row = Mutex<Identifier>(DatabaseUpstream.newID())

    init(
        _ configuration: Configuration, store: Store, newest: PrimaryGuard, secrets: NodeSecrets,
        version: String, logger: Logger
    ) {
        self.configuration = configuration
        self.store = store
        self.newest = newest
        self.secrets = secrets
        self.version = version
        self.logger = logger
    }

    package func connect(by deadline: ContinuousClock.Instant) async throws(StoreError) {
        guard connection.withLock({ $0 == nil }) else { return }
        let new = try await LogConnection.open(
            configuration.url, newest: newest, logger: logger, deadline: deadline)
        connection.withLock { $0 = new }
    }

    package func disconnect() async {
        let old = connection.withLock { connection in
            defer { connection = nil }
            return connection
        }
        await old?.close()
    }

    func connected() throws(StoreError) -> LogConnection {
        guard let connection = connection.withLock({ $0 }) else {
            throw .unavailable("the revocation log is not connected")
        }
        return connection
    }

    package func join(
        by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> Joining {
        let new = DatabaseUpstream.newID()
        let previous = row.withLock { row in
            defer { row = new }
            return row
        }
        return try await join(as: new, insteadOf: previous, by: deadline)
    }

    func join(
        as id: Identifier, insteadOf previous: Identifier, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> Joining {
        try await connected().join(
            as: id, insteadOf: previous, fingerprints: secrets.fingerprints, version: version,
            lease: configuration.lease, deadline: deadline)
    }

    package func poll(
        _ joining: Joining, applied: Int64, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> Poll {
        let poll = try await connected().poll(
            joining, applied: applied, keyIDs: secrets.listed(under: joining.incarnation),
            deadline: deadline)
        if Trap.upsertPoll.isPlanted, !poll.isRenewed {
            return try await putBack(joining, applied: applied, poll, by: deadline)
        }
        return poll
    }

    package func waitForNews(by deadline: ContinuousClock.Instant) async throws(StoreError) {
        try await connected().waitForNews(by: deadline)
    }

    /// Takes the node's row away, so that nobody waits for it; its lease was given up before.
    func leave() async throws(StoreError) {
        try await store.leaveNode(row.withLock { $0 })
    }

    package func client(
        _ clientID: String, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> ClientRead {
        try await store.client(clientID, by: deadline)
    }

    package func answer(
        _ question: Question, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> (RememberedAnswer, hangingOn: AnswerScopes)? {
        let state = try await store.liveness(of: question.token, by: deadline)
        guard case .alive(let live) = Liveness.of(question.token, in: state) else { return nil }
        return (
            RememberedAnswer(
                question.token, live, text: Array(question.text.utf8), issuer: question.issuer),
            AnswerScopes(live, state)
        )
    }

    private static func newID() -> Identifier {
        var random = SystemRandomNumberGenerator()
        return Identifier(milliseconds: 0, using: &random)
    }
}

extension AnswerScopes {
    fileprivate init(_ live: LiveToken, _ state: Liveness.State) {
        guard let grant = state.grant else {
            self.init(client: live.client)
            return
        }
        self.init(
            client: grant.client, grant: grant.id,
            session: grant.isOffline ? nil : grant.session, user: grant.user)
    }
}
