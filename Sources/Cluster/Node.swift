import Duties
package import Lease
package import Logging
package import OAuth
package import Storage

/// This node among the others: it holds a lease, knows the secrets, and keeps its row.
package final class Node: Sendable {
    /// Why a node may not run.
    package enum StartError: Error, Sendable, CustomStringConvertible {
        case secrets(SecretRules.Refusal)
        case store(StoreError)

        package var description: String {
            switch self {
            case .secrets(.missing(let keyIDs)):
                "the database knows secrets that this node lacks (key id "
                    + keyIDs.map(String.init).joined(separator: ", ") + ")"
            case .secrets(.allRetired): "every secret of this node is retired"
            case .store(let error): error.description
            }
        }
    }

    /// Whether this node may answer.
    package let gate: LeaseGate
    /// What it remembers.
    package let cache: AnswerCache
    package let upstream: DatabaseUpstream

    let store: Store
    private let secrets: NodeSecrets
    private let keyring: SigningKeyring
    private let follower: LogFollower
    private let logger: Logger
    private let metrics = CacheMetrics()

    /// - Parameters:
    ///   - store: one that has this authority.
    ///   - cacheBytes: how much it may remember; 0: every answer is read from the database.
    package init(
        store: Store, authority: LeaseAuthority,
        following configuration: DatabaseUpstream.Configuration, cacheBytes: Int64,
        secrets: [ServerSecret], version: String, logger: Logger
    ) {
        self.store = store
        self.logger = logger
        gate = authority.gate
        cache = AnswerCache(bytes: cacheBytes)
        self.secrets = NodeSecrets(
            secrets, store: store, gate: gate, cache: cache, logger: logger)
        upstream = DatabaseUpstream(
            configuration, store: store, newest: authority.newest, secrets: self.secrets,
            version: version, logger: logger)
        follower = LogFollower(
            upstream, lease: configuration.lease, gate: gate, cache: cache, logger: logger)
        keyring = SigningKeyring(store: store, secrets: secrets, logger: logger)
    }

    // MARK: Running

    /// Holds a lease, and keeps the row and the view, until the task is cancelled or all secrets of
    /// this node are retired: then it can neither sign nor verify, and takes its leave.
    /// - Parameter onReady: is called once, when the node can answer.
    package func run(onReady: @escaping @Sendable () async -> Void) async throws(StartError) {
        let outcome: Result<Void, StartError> = await withTaskGroup { group in
            group.addTask {
                await self.gate.watch()
                return Result<Void, StartError>.success(())
            }
            group.addTask {
                await self.follower.run()
                return .success(())
            }
            group.addTask {
                do throws(StartError) {
                    try await self.begin()
                } catch {
                    return .failure(error)
                }
                guard !Task.isCancelled else { return .success(()) }
                await onReady()
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await self.keepKeys() }
                    group.addTask { await self.keep() }
                    // The others end only when they are cancelled.
                    await group.next()
                    group.cancelAll()
                }
                return .success(())
            }
            // The first to end is the last, or has failed; the others end when they are cancelled.
            let first = await group.next() ?? .success(())
            group.cancelAll()
            return first
        }
        gate.giveUp()
        try outcome.get()
    }

    /// Makes the node's new secrets known, and reads its view for the first time.
    private func begin() async throws(StartError) {
        let beginning = Duty(
            "beginning", .every(.milliseconds(100)), failing: "the node cannot join yet",
            level: .error, logger: logger)
        do {
            try await beginning.untilDone(passing: { $0.isUnavailable }) {
                try await secrets.admit()
                // Nothing is answered until the view is there, so the keys come first.
                try await keyring.refresh()
                guard try await secrets.refresh() else { throw SecretRules.Refusal.allRetired }
            }
        } catch is CancellationError {
            return
        } catch let refusal as SecretRules.Refusal {
            throw .secrets(refusal)
        } catch let error as StoreError {
            throw .store(error)
        } catch {
            throw .store(.broken("\(error)"))
        }
    }

    /// Reads the view again and again, and removes the rows of dead nodes, until every secret of this node
    /// is retired.
    private func keep() async {
        var watch = DeadNodeWatch()
        await Duty(
            "view", .every(.seconds(1)), failing: "the node's view was not read", logger: logger
        ).run {
            guard try await secrets.refresh() else {
                logger.error(
                    "every secret of this node is retired, so it answers nothing: start it with a new one"
                )
                return .over
            }
            let list = try await store.nodeList()
            for dead in watch.dead(among: list.nodes, at: .now) {
                try await store.removeNode(dead)
                logger.notice("removed a dead node's row", metadata: ["node": "\(dead.id)"])
            }
            metrics.record(cache.size)
            return .again
        }
    }

    /// Reads the signing keys again now and then. It is a duty of its own: making a key takes a while, and
    /// must not keep the node from looking at its row.
    private func keepKeys() async {
        await Duty(
            "signing keys", .every(.seconds(5)), failing: "the signing keys were not read",
            levelAgain: .warning, logger: logger
        ).run {
            try await keyring.refresh()
            return .again
        }
    }

    /// Gives up the lease, then removes the row, so that no revoker waits for this node.
    package func leave() async {
        gate.giveUp()
        do {
            try await upstream.leave()
        } catch {
            logger.info(
                "the node's row stays until it is stale", metadata: ["error": "\(error)"])
        }
    }
}

// MARK: What others ask of it

extension Node {
    /// The keys that sign ID tokens; unavailable until the node has joined.
    package func signingKeys() throws(StoreError) -> SigningKeySet { try keyring.current() }

    /// What seals and opens tokens; unavailable until the node has joined.
    package func codec() throws(StoreError) -> TokenCodec { try secrets.codec() }

    /// The key id that a new token is signed under.
    /// - Parameter unretired: the key ids that are not retired, as they were read with what the token
    ///   rests on.
    package func signingKeyID(unretired: Set<UInt8>) throws(StoreError) -> UInt8 {
        try secrets.signingKeyID(unretired: unretired)
    }

    /// Opens what was presented as a token: nil is a forgery, and never a guess.
    package func open(_ text: String) throws(StoreError) -> Token? { try secrets.open(text) }

    /// Opens what was presented as an authorization code.
    package func openCode(_ text: String) throws(StoreError) -> AuthorizationCode? {
        try secrets.openCode(text)
    }

    /// Seals something that a browser keeps for a while: a form's token, a cookie.
    package func seal(
        _ payload: [UInt8], for purpose: ServerSecret.Purpose
    ) throws(StoreError) -> Redacted<String> {
        try secrets.seal(payload, for: purpose)
    }

    /// What was sealed under a secret that has not been retired; nil for anything else.
    package func unseal(
        _ text: String, for purpose: ServerSecret.Purpose
    ) throws(StoreError) -> [UInt8]? {
        try secrets.unseal(text, for: purpose)
    }

    /// A hash that only holders of the secret can compute; the same on every node, but for the moment
    /// in which they begin to sign under another secret.
    package func keyedHash(
        _ text: String, for purpose: ServerSecret.Purpose
    ) throws(StoreError) -> [UInt8] {
        try secrets.keyedHash(text, for: purpose)
    }
}

extension Error {
    /// Whether it may be over the next time.
    fileprivate var isUnavailable: Bool {
        if case .unavailable? = self as? StoreError { true } else { false }
    }
}
