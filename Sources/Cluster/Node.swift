package import Logging
package import OAuth
package import Storage
import Synchronization

/// This node among the others: its row in the database, and its view of the server's secrets.
///
/// A token under a key id that this node has not heard of is forged, unless the secret was added a
/// moment ago: nodes sign under a new secret only once every node's row lists it, so a view younger
/// than what it takes for a row to be given up is certain.
package final class Node: Sendable {
    /// Why a node may not run.
    package enum StartError: Error, Sendable, CustomStringConvertible {
        case secrets(SecretRules.Refusal)
        case store(StoreError)

        package var description: String {
            switch self {
            case .secrets(.missing(let keyIDs)):
                "the database knows secrets that DOORNAIL_SECRET does not include (key id "
                    + keyIDs.map(String.init).joined(separator: ", ")
                    + "): add them after a comma, or end them with 'doornail secret retire ID'"
            case .secrets(.allRetired):
                "every secret in DOORNAIL_SECRET is retired; put a new one in front "
                    + "('doornail secret' prints one)"
            case .store(let error):
                error.description
            }
        }
    }

    /// How often the view is read again.
    private static let interval: Duration = .seconds(1)

    private struct View: Sendable {
        let codec: TokenCodec
        let ring: KeyRing
        /// The node's row, under which it was read: the others sign under no secret that this row does
        /// not list.
        let incarnation: Identifier
    }

    /// Whether this node may answer.
    package let gate: LeaseGate
    /// What it remembers.
    package let cache: AnswerCache

    let store: Store
    private let secrets: [ServerSecret]
    private let logger: Logger
    private let follower: LogFollower
    private let view = Mutex<View?>(nil)
    private let keyring: SigningKeyring
    private let metrics = CacheMetrics()

    /// - Parameters:
    ///   - store: one whose authority is the gate.
    ///   - cacheBytes: how much it may remember; 0: every answer is read from the database.
    package init(
        store: Store, gate: LeaseGate, following configuration: LogFollower.Configuration,
        cacheBytes: Int64, secrets: [ServerSecret], version: String, logger: Logger
    ) {
        self.store = store
        self.gate = gate
        self.secrets = secrets
        self.logger = logger
        cache = AnswerCache(bytes: cacheBytes)
        follower = LogFollower(
            configuration, gate: gate, cache: cache, fingerprints: secrets.map(\.fingerprint),
            version: version, logger: logger)
        keyring = SigningKeyring(store: store, secrets: secrets, logger: logger)
    }

    /// The key ring of a command that is no node: it lists nothing and makes no secret known.
    package static func ring(
        for secrets: [ServerSecret], from store: Store
    ) async throws(StartError) -> KeyRing {
        do {
            let known = try await store.secrets().map(\.known)
            _ = try SecretRules.unknown(secrets: secrets, known: known)
            return try SecretRules.ring(secrets: secrets, known: known, nodes: [])
        } catch let refusal as SecretRules.Refusal {
            throw .secrets(refusal)
        } catch let error as StoreError {
            throw .store(error)
        } catch {
            throw .store(.broken("\(error)"))
        }
    }

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
                await self.follower.run(listed: { self.listed(under: $0) })
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
                    group.addTask { await self.keyring.run() }
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
    ///
    /// The row is committed before the secrets are read: whoever adds one either sees this row, or is
    /// seen here.
    private func begin() async throws(StartError) {
        var isReported = false
        while !Task.isCancelled {
            do {
                let known = try await store.secrets().map(\.known)
                for secret in try SecretRules.unknown(secrets: secrets, known: known) {
                    try await store.admit(secret)
                }
                // Another node may have added one meanwhile, that this one lacks.
                let admitted = try await store.secrets().map(\.known)
                _ = try SecretRules.unknown(secrets: secrets, known: admitted)
                // Nothing is answered until the view is there, so the keys come first.
                try await keyring.refresh()
                guard try await refresh() else { throw SecretRules.Refusal.allRetired }
                return
            } catch let refusal as SecretRules.Refusal {
                throw .secrets(refusal)
            } catch StoreError.unavailable(let reason) {
                if !isReported {
                    logger.error("the node cannot join yet", metadata: ["error": "\(reason)"])
                }
                isReported = true
                try? await Task.sleep(for: .milliseconds(100))
            } catch let error as StoreError {
                throw .store(error)
            } catch {
                throw .store(.broken("\(error)"))
            }
        }
    }

    /// Reads the view again and again, and removes the rows of dead nodes.
    private func keep() async {
        var isFailing = false
        var watch = DeadNodeWatch()
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: Node.interval)
                guard try await refresh() else {
                    logger.error(
                        "every secret of this node is retired, so it answers nothing: start it with a new one"
                    )
                    return
                }
                let roll = try await store.roll()
                for dead in watch.dead(among: roll.nodes, at: .now) {
                    try await store.removeNode(dead)
                    logger.notice("removed a dead node's row", metadata: ["node": "\(dead.id)"])
                }
                metrics.record(cache.size)
                isFailing = false
            } catch is CancellationError {
                return
            } catch {
                logger.log(
                    level: isFailing ? .debug : .warning, "the node's view was not read",
                    metadata: ["error": "\(error)"])
                isFailing = true
            }
        }
    }

    /// Removes the row, so that nobody waits for this node; it holds no lease any more.
    package func leave() async {
        gate.giveUp()
        do {
            try await store.leaveNode(follower.id)
        } catch {
            logger.info(
                "the node's row stays until it is stale", metadata: ["error": "\(error)"])
        }
    }

    /// The secrets that the row of that id lists: those of a view that was read under it.
    private func listed(under incarnation: Identifier) -> Set<UInt8>? {
        view.withLock { view in
            view?.incarnation == incarnation ? view?.ring.held : nil
        }
    }

    /// The keys that sign ID tokens; unavailable until the node has joined.
    package func signingKeys() throws(StoreError) -> SigningKeySet {
        try keyring.current()
    }

    /// What seals and opens tokens; unavailable until the node has joined.
    package func codec() throws(StoreError) -> TokenCodec {
        try current().codec
    }

    /// The key id that a new token is signed under.
    /// - Parameter unretired: the key ids that are not retired, as they were read with what the
    ///   token rests on, so that no token is born dead.
    package func signingKeyID(unretired: Set<UInt8>) throws(StoreError) -> UInt8 {
        guard let keyID = try current().ring.signers.first(where: unretired.contains) else {
            throw .unavailable("this node has no secret that every node holds and none retired")
        }
        return keyID
    }

    /// Opens what was presented as a token: one of ours or a forgery, never a guess.
    package func open(_ text: String) throws(StoreError) -> Token? {
        let view = try current()
        return try certain(view.codec.open(text), view)
    }

    /// Opens what was presented as an authorization code.
    package func openCode(_ text: String) throws(StoreError) -> AuthorizationCode? {
        let view = try current()
        return try certain(view.codec.openCode(text), view)
    }

    /// Seals something that a browser keeps for a while: a form's token, a cookie.
    package func seal(
        _ payload: [UInt8], for purpose: ServerSecret.Purpose
    ) throws(StoreError) -> Redacted<String> {
        let view = try current()
        guard let keyID = view.ring.signers.first,
            let sealed = view.codec.seal(payload, for: purpose, keyID: keyID)
        else { throw .unavailable("this node has no secret that every node holds") }
        return sealed
    }

    /// What was sealed under a secret that has not been retired; nil for anything else.
    package func unseal(
        _ text: String, for purpose: ServerSecret.Purpose
    ) throws(StoreError) -> [UInt8]? {
        let view = try current()
        guard let sealed = try certain(view.codec.open(text.utf8, for: purpose), view),
            !view.ring.retired.contains(sealed.keyID)
        else { return nil }
        return sealed.bytes
    }

    /// A hash that only holders of the secret can compute; the same on every node, but for the moment
    /// in which they begin to sign under another secret.
    package func keyedHash(
        _ text: String, for purpose: ServerSecret.Purpose
    ) throws(StoreError) -> [UInt8] {
        let view = try current()
        guard let keyID = view.ring.signers.first,
            let hash = view.codec.keyedHash(text, for: purpose, keyID: keyID)
        else { throw .unavailable("this node has no secret that every node holds") }
        return hash
    }

    private func certain<Value>(
        _ presented: Presented<Value>, _ view: View
    ) throws(StoreError) -> Value? {
        switch presented {
        case .authentic(let value): return value
        case .forged: return nil
        case .unknownKey:
            // While the row stands under which the view was read, the others sign under no secret
            // that the view lacks.
            guard gate.held(at: .now)?.incarnation == view.incarnation else {
                throw .unavailable("this node has not heard of new secrets for a while")
            }
            return nil
        case .secretMissing(let keyID):
            throw .unavailable(
                "the token is under secret \(keyID), which this node lacks: "
                    + "start it with all secrets that are not retired")
        }
    }

    private func current() throws(StoreError) -> View {
        guard let view = view.withLock({ $0 }) else {
            throw .unavailable("this node has not joined the others yet")
        }
        return view
    }

    /// Reads the view again; false where every secret of this node is retired.
    private func refresh() async throws(StoreError) -> Bool {
        let incarnation = try await gate.lease(by: Store.deadline).incarnation
        let known = try await store.secrets().map(\.known)
        // This node's own row lists what this view finds, once the next poll has written it.
        let roll = try await store.roll()
        let nodes = roll.nodes.filter { $0.id != incarnation }.map(\.keyIDs)
        guard let ring = try? SecretRules.ring(secrets: secrets, known: known, nodes: nodes) else {
            view.withLock { $0 = nil }
            return false
        }
        let new = View(codec: TokenCodec(ring), ring: ring, incarnation: incarnation)
        let old = view.withLock { view in
            defer { view = new }
            return view
        }
        if let old, old.ring.signers != ring.signers {
            logger.notice(
                "new tokens are signed under other secrets",
                metadata: ["key_ids": "\(ring.signers)"])
        }
        // Clients are remembered with the secrets that were there.
        if old?.ring.signers != ring.signers { cache.clear() }
        if !ring.lacking.isEmpty, old?.ring.lacking != ring.lacking {
            logger.warning(
                "this node lacks secrets that are not retired; give it all of them",
                metadata: ["key_ids": "\(ring.lacking.sorted())"])
        }
        return true
    }
}
