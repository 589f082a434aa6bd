import Cluster
import Lease
import OAuth
import Postgres
import Storage
import Synchronization
import TestSupport
import Testing

/// A node in this process with a store of its own, as a server has it. It runs once.
struct TestNode: Sendable {
    static let a = "0123456789abcdef0123456789abcdef-a"
    static let b = "0123456789abcdef0123456789abcdef-b"
    static let issuer = "https://issuer.example"

    let authority = LeaseAuthority()
    let store: Store
    let node: Node
    private let stopping = AsyncStream.makeStream(of: Never.self)
    private let ending = AsyncStream.makeStream(of: Never.self)

    /// - Parameters:
    ///   - lease: longer than a server's, so that a busy machine lets none lapse.
    ///   - cacheBytes: 0: without a cache.
    ///   - following: the database as the follower of the log reaches it.
    init(
        _ fixture: StoreFixture, secrets: String = Self.a, lease: Duration = .seconds(1),
        cacheBytes: Int64 = 1 << 20, following url: String? = nil
    ) throws {
        store = Store(
            PostgresPool.Configuration(url: fixture.url, size: 2, applicationName: "node"),
            authority: authority, logger: TestDatabase.logger)
        node = Node(
            store: store, authority: authority,
            following: .init(url: url ?? fixture.url, lease: lease),
            cacheBytes: cacheBytes, secrets: try ServerSecret.list(secrets), version: "test",
            logger: TestDatabase.logger)
    }

    var gate: LeaseGate { authority.gate }
    var revoker: Revoker { Revoker(store: store, logger: TestDatabase.logger) }

    func answer(
        about token: Token, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws -> RememberedAnswer? {
        let codec = try node.codec()
        let text =
            switch token {
            case .access(let token): codec.seal(token)
            case .refresh(let token): codec.seal(token)
            }
        return try await node.answer(
            about: try #require(text).value, issuer: Self.issuer, by: deadline)?.known
    }

    // MARK: Running

    /// Runs the node beside a closure, which begins when the node is ready. Then it takes its leave.
    @discardableResult
    func running<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let (ready, readiness) = AsyncStream.makeStream(of: Void.self)
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask {
                try await store.run()
                return nil
            }
            group.addTask {
                defer {
                    readiness.finish()
                    ending.continuation.finish()
                }
                let isReady = Mutex(false)
                try await untilStopped {
                    isReady.withLock { $0 = true }
                    readiness.yield()
                }
                guard isReady.withLock({ $0 }) else { throw NeverReady() }
                return nil
            }
            group.addTask {
                var iterator = ready.makeAsyncIterator()
                return await iterator.next() == nil ? nil : try await body()
            }
            while let outcome = try await group.next() {
                guard let value = outcome else { continue }
                await stop()
                group.cancelAll()
                return value
            }
            throw NeverReady()
        }
    }

    struct NeverReady: Error {}

    private func untilStopped(onReady: @escaping @Sendable () -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await node.run { onReady() } }
            group.addTask { for await _ in stopping.stream {} }
            try await group.next()
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// Stops the node before the closure has ended, and returns when it has stopped.
    /// - Parameter leaving: false: its row stays, as a killed one's does.
    func stop(leaving: Bool = true) async {
        stopping.continuation.finish()
        await ended()
        if leaving { await node.leave() }
    }

    /// Returns when the node has stopped, by itself too.
    func ended() async {
        for await _ in ending.stream {}
    }
}

/// Looks again and again, for longer than it ever takes.
func eventually(
    _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation,
    _ isSo: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while try await !isSo() {
        guard ContinuousClock.now < deadline else {
            Issue.record(comment ?? "it never came to be", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

extension StoreFixture {
    /// Finding primes takes a debug build long, so all tests have the same keys.
    private static let signingKeys = Result {
        try SigningAlgorithm.allCases.map {
            try SigningKey.generate($0, kid: identifier())
        }
    }

    /// Makes the first secret of the nodes known, with signing keys, so that they start quickly.
    func prepareForNodes() async throws {
        try await admitSecret()
        let secret = try ServerSecret(TestNode.a)
        for key in try Self.signingKeys.get() {
            _ = try await store.addSigningKey(
                key, copies: [1: key.sealed(under: secret)], insisting: false)
        }
    }

    /// The ids of the nodes' rows.
    func rows() async throws -> Set<Identifier> {
        Set(try await store.nodeList().nodes.map(\.id))
    }

    /// Waits until every node has applied the whole log.
    func untilApplied() async throws {
        try await eventually("every node applies the log") {
            let list = try await store.nodeList()
            return list.nodes.allSatisfy { $0.applied >= list.endOfLog }
        }
    }

    /// Appends entries to the log that are about nothing that is there.
    func append(_ count: Int) async throws {
        try await sql(
            "SELECT append_revocation('grant', gen_random_uuid(), NULL, true, 'x', 'x') "
                + "FROM generate_series(1, \(count))")
    }

    /// A node's row as another process would make it.
    func insertNode(
        _ id: Identifier = Self.identifier(), keyIDs: String = "{}", lease: Int, applied: Int64
    ) async throws {
        try await sql(
            "INSERT INTO nodes (id, key_ids, version, lease_ms, applied) "
                + "VALUES ('\(id)', '\(keyIDs)', 'x', \(lease), \(applied))")
    }
}
