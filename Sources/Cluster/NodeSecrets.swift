import Lease
import Logging
import OAuth
import Storage
import Synchronization

/// The server's secrets as this node knows them: it seals and opens with them.
///
/// A token under a key id that this node has not heard of is forged, unless the secret was added a
/// moment ago: nodes sign under a new secret only once every node's row lists it, so a view younger
/// than what it takes for a row to be given up is certain.
final class NodeSecrets: Sendable {
    private struct View: Sendable {
        let codec: TokenCodec
        let ring: KeyRing
        /// The node's row, under which it was read: the others sign under no secret that this row does
        /// not list.
        let incarnation: Identifier
    }

    private let secrets: [ServerSecret]
    private let store: Store
    private let gate: LeaseGate
    private let cache: AnswerCache
    private let logger: Logger
    private let view = Mutex<View?>(nil)

    init(
        _ secrets: [ServerSecret], store: Store, gate: LeaseGate, cache: AnswerCache,
        logger: Logger
    ) {
        self.secrets = secrets
        self.store = store
        self.gate = gate
        self.cache = cache
        self.logger = logger
    }

    var fingerprints: [[UInt8]] { secrets.map(\.fingerprint) }

    /// The secrets that the row of that id lists: those of a view that was read under it.
    func listed(under incarnation: Identifier) -> Set<UInt8>? {
        view.withLock { view in
            view?.incarnation == incarnation ? view?.ring.held : nil
        }
    }

    // MARK: Sealing and opening

    /// What seals and opens tokens; unavailable until the node has joined.
    func codec() throws(StoreError) -> TokenCodec {
        try current().codec
    }

    /// The key id that a new token is signed under.
    /// - Parameter unretired: the key ids that are not retired, as they were read with what the
    ///   token rests on, so that no token is born dead.
    func signingKeyID(unretired: Set<UInt8>) throws(StoreError) -> UInt8 {
        guard let keyID = try current().ring.signers.first(where: unretired.contains) else {
            throw .unavailable("this node has no secret that every node holds and none retired")
        }
        return keyID
    }

    /// Opens what was presented as a token: one of ours or a forgery, never a guess.
    func open(_ text: String) throws(StoreError) -> Token? {
        let view = try current()
        return try certain(view.codec.open(text), view)
    }

    /// Opens what was presented as an authorization code.
    func openCode(_ text: String) throws(StoreError) -> AuthorizationCode? {
        let view = try current()
        return try certain(view.codec.openCode(text), view)
    }

    /// Seals something that a browser keeps for a while: a form's token, a cookie.
    func seal(
        _ payload: [UInt8], for purpose: ServerSecret.Purpose
    ) throws(StoreError) -> Redacted<String> {
        let view = try current()
        guard let keyID = view.ring.signers.first,
            let sealed = view.codec.seal(payload, for: purpose, keyID: keyID)
        else { throw .unavailable("this node has no secret that every node holds") }
        return sealed
    }

    /// What was sealed under a secret that has not been retired; nil for anything else.
    func unseal(
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
    func keyedHash(
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

    // MARK: Reading

    /// Makes known to the database what it does not know yet; refuses where one is missing here that is
    /// not retired.
    ///
    /// The node's row is committed before: whoever adds a secret either sees this row, or is seen here.
    func admit() async throws {
        let known = try await store.secrets().map(\.known)
        for secret in try SecretRules.unknown(secrets: secrets, known: known) {
            try await store.admit(secret)
        }
        // Another node may have added one meanwhile, that this one lacks.
        let admitted = try await store.secrets().map(\.known)
        _ = try SecretRules.unknown(secrets: secrets, known: admitted)
    }

    /// Reads the view again; false where every secret of this node is retired.
    func refresh() async throws(StoreError) -> Bool {
        let incarnation = try await gate.lease(by: Store.deadline).incarnation
        let known = try await store.secrets().map(\.known)
        // This node's own row lists what this view finds, once the next poll has written it.
        let list = try await store.nodeList()
        let nodes = list.nodes.filter { $0.id != incarnation }.map(\.keyIDs)
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
