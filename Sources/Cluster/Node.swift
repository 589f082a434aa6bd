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

    /// How often the row is renewed and the view read again.
    private static let interval: Duration = .seconds(1)
    /// How long a view is certain: less than it takes for others to give the row up.
    private static let certainFor: Duration = .milliseconds(9500)

    private struct View: Sendable {
        let codec: TokenCodec
        let ring: KeyRing
        /// Read before the database was asked.
        let takenAt: ContinuousClock.Instant
    }

    /// When the database was last heard, and the last time that it was not for a while.
    private struct Contact: Sendable {
        var heardAt: ContinuousClock.Instant
        var databaseTime: UnixTime
        var outage: Outage?
    }

    /// How long the database is not heard before that is an outage.
    private static let outageAfter: Duration = .seconds(5)

    private let store: Store
    private let secrets: [ServerSecret]
    private let version: String
    private let logger: Logger
    private let id: Mutex<Identifier>
    private let view = Mutex<View?>(nil)
    private let contact = Mutex<Contact?>(nil)
    private let keyring: SigningKeyring

    package init(store: Store, secrets: [ServerSecret], version: String, logger: Logger) {
        self.store = store
        self.secrets = secrets
        self.version = version
        self.logger = logger
        self.id = Mutex(Node.newID())
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

    /// Makes the node's new secrets known, and joins the others.
    ///
    /// The row is committed before the secrets are read for the last time: whoever adds one either
    /// sees this row, or is seen here.
    package func start() async throws(StartError) {
        do {
            let known = try await store.secrets().map(\.known)
            for secret in try SecretRules.unknown(secrets: secrets, known: known) {
                try await store.admit(secret)
            }
            try await join()
            let joined = try await store.secrets().map(\.known)
            _ = try SecretRules.unknown(secrets: secrets, known: joined)
            // Nothing is answered until the view is there, so the keys come first.
            try await keyring.refresh()
            guard try await refresh(takenAt: .now) else { throw SecretRules.Refusal.allRetired }
            heard(at: try await store.ping())
        } catch let refusal as SecretRules.Refusal {
            throw .secrets(refusal)
        } catch let error as StoreError {
            throw .store(error)
        } catch {
            throw .store(.broken("\(error)"))
        }
    }

    /// Renews the row and the view until the task is cancelled.
    ///
    /// A node whose secrets have all been retired takes its leave: it can neither sign nor verify,
    /// and its row would keep the others from signing.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.keyring.run() }
            group.addTask { await self.renew() }
            // The other ends only when it is cancelled.
            await group.next()
            group.cancelAll()
        }
    }

    private func renew() async {
        var isFailing = false
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: Node.interval)
                let asked = ContinuousClock.now
                let renewal = try await store.renewNode(id.withLock { $0 }, holding: held)
                heard(at: renewal.at)
                if !renewal.isThere {
                    logger.warning("this node was taken for dead; it joins again")
                    id.withLock { $0 = Node.newID() }
                    try await join()
                }
                guard try await refresh(takenAt: asked) else {
                    logger.error(
                        "every secret of this node is retired, so it answers nothing: start it with a new one"
                    )
                    await leave()
                    return
                }
                try await store.removeStaleNodes()
                isFailing = false
            } catch is CancellationError {
                return
            } catch {
                logger.log(
                    level: isFailing ? .debug : .warning, "the node's row was not renewed",
                    metadata: ["error": "\(error)"])
                isFailing = true
            }
        }
    }

    /// Removes the row, so that nobody waits for this node.
    package func leave() async {
        do {
            try await store.leaveNode(id.withLock { $0 })
        } catch {
            logger.info(
                "the node's row stays until it is stale", metadata: ["error": "\(error)"])
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

    /// The last outage of the database as this node saw it. While one may be under way or only just
    /// over, nothing is said: a retry after it must not be taken for a replay.
    package func outage() throws(StoreError) -> Outage? {
        guard let contact = contact.withLock({ $0 }),
            ContinuousClock.now - contact.heardAt < Node.outageAfter
        else { throw .unavailable("this node has not heard the database for a while") }
        return contact.outage
    }

    private func heard(at time: UnixTime) {
        let now = ContinuousClock.now
        contact.withLock { contact in
            var outage = contact?.outage
            if let last = contact, now - last.heardAt >= Node.outageAfter {
                outage = Outage(began: last.databaseTime, ended: time)
            }
            contact = Contact(heardAt: now, databaseTime: time, outage: outage)
        }
    }

    private func certain<Value>(
        _ presented: Presented<Value>, _ view: View
    ) throws(StoreError) -> Value? {
        switch presented {
        case .authentic(let value): return value
        case .forged: return nil
        case .unknownKey:
            guard ContinuousClock.now - view.takenAt < Node.certainFor else {
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

    private var held: Set<UInt8> { view.withLock { $0?.ring.held } ?? [] }

    private func join() async throws(StoreError) {
        let known = try await store.secrets().map(\.known)
        let fingerprints = Set(secrets.map(\.fingerprint))
        let held = Set(known.filter { fingerprints.contains($0.fingerprint) }.map(\.keyID))
        try await store.joinNode(id.withLock { $0 }, holding: held, version: version)
    }

    /// Reads the view again; false where every secret of this node is retired.
    private func refresh(takenAt: ContinuousClock.Instant) async throws(StoreError) -> Bool {
        let known = try await store.secrets().map(\.known)
        let nodes = try await store.nodes()
        guard let ring = try? SecretRules.ring(secrets: secrets, known: known, nodes: nodes) else {
            view.withLock { $0 = nil }
            return false
        }
        let new = View(codec: TokenCodec(ring), ring: ring, takenAt: takenAt)
        let old = view.withLock { view in
            defer { view = new }
            return view
        }
        if let old, old.ring.signers != ring.signers {
            logger.notice(
                "new tokens are signed under other secrets",
                metadata: ["key_ids": "\(ring.signers)"])
        }
        if !ring.lacking.isEmpty, old?.ring.lacking != ring.lacking {
            logger.warning(
                "this node lacks secrets that are not retired; give it all of them",
                metadata: ["key_ids": "\(ring.lacking.sorted())"])
        }
        return true
    }

    private static func newID() -> Identifier {
        var random = SystemRandomNumberGenerator()
        return Identifier(milliseconds: 0, using: &random)
    }
}
