internal import Crypto

/// The secrets of this node with the key ids that the database gave them: one signs, all verify.
///
/// It is an immutable snapshot; a newer one replaces it as secrets are added and retired.
package struct KeyRing: Sendable {
    /// A secret under its key id.
    package struct Key: Sendable {
        package let id: UInt8
        package let secret: ServerSecret

        package init(id: UInt8, secret: ServerSecret) {
            self.id = id
            self.secret = secret
        }
    }

    /// The key ids that new tokens may be signed under, the preferred one first: those that every
    /// running node holds. There may be none for a while; then nothing is signed.
    package let signers: [UInt8]
    /// Key ids that the database knows, that are not retired, and whose secret this node lacks.
    package let lacking: Set<UInt8>
    /// The key ids whose secrets this node has.
    package let held: Set<UInt8>
    /// Those of them that have been retired.
    package let retired: Set<UInt8>

    /// HMAC-SHA-256 that has taken in its key: half the work on a text as short as a token.
    struct Code: Sendable {
        private let keyed: HMAC<SHA256>

        init(_ key: SymmetricKey) {
            keyed = HMAC(key: key)
        }

        func of(_ bytes: [UInt8]) -> HashedAuthenticationCode<SHA256> {
            var code = keyed
            code.update(data: bytes)
            return code.finalize()
        }
    }

    /// By purpose, then by key id.
    private let codes: [ServerSecret.Purpose: [Code?]]

    package init(
        keys: [Key], signers: [UInt8], lacking: Set<UInt8>, retired: Set<UInt8> = []
    ) {
        self.signers = signers
        self.lacking = lacking
        self.retired = retired
        self.held = Set(keys.map(\.id))
        var tables: [ServerSecret.Purpose: [Code?]] = [:]
        for purpose in ServerSecret.Purpose.allCases {
            var table = [Code?](repeating: nil, count: 256)
            for key in keys {
                table[Int(key.id)] = Code(key.secret.key(for: purpose))
            }
            tables[purpose] = table
        }
        codes = tables
    }

    func code(_ id: UInt8, for purpose: ServerSecret.Purpose) -> Code? {
        codes[purpose]?[Int(id)]
    }
}

/// Which secret a node signs with, and what its configuration must include: pure rules over what
/// the database knows.
package enum SecretRules {
    /// A secret as the database knows it.
    package struct StoredSecret: Sendable, Equatable {
        package let keyID: UInt8
        package let fingerprint: [UInt8]
        package let isRetired: Bool

        package init(keyID: UInt8, fingerprint: [UInt8], isRetired: Bool) {
            self.keyID = keyID
            self.fingerprint = fingerprint
            self.isRetired = isRetired
        }
    }

    /// Why a node or a command may not start with the secrets it was given.
    package enum Refusal: Error, Equatable, Sendable {
        /// These key ids are not retired, and their secrets are not among the given ones.
        case missing(keyIDs: [UInt8])
        /// Every given secret has been retired.
        case allRetired
    }

    /// The key ring of given secrets, the preferred one first.
    ///
    /// A node signs with the first of its secrets that every running node holds: a token under a
    /// secret that some node lacks would be an error there.
    /// - Parameter nodes: the key ids that each running node lists.
    package static func ring(
        secrets: [ServerSecret], known: [StoredSecret], nodes: [Set<UInt8>]
    ) throws(Refusal) -> KeyRing {
        // A retired secret still verifies: its tokens are told from forged ones, and are dead.
        var keys: [KeyRing.Key] = []
        var candidates: [UInt8] = []
        for secret in secrets {
            let fingerprint = secret.fingerprint
            guard let row = known.first(where: { $0.fingerprint == fingerprint }) else { continue }
            keys.append(KeyRing.Key(id: row.keyID, secret: secret))
            if !row.isRetired { candidates.append(row.keyID) }
        }
        guard !candidates.isEmpty else { throw .allRetired }
        let everywhere = candidates.filter { id in nodes.allSatisfy { $0.contains(id) } }
        let unretired = Set(known.filter { !$0.isRetired }.map(\.keyID))
        return KeyRing(
            keys: keys, signers: everywhere,
            lacking: unretired.subtracting(keys.map(\.id)),
            retired: Set(keys.map(\.id)).subtracting(unretired))
    }

    /// The given secrets that the database does not know yet, or a refusal where an unretired one
    /// is missing: a secret mistyped at one node must not become a second valid one.
    package static func unknown(
        secrets: [ServerSecret], known: [StoredSecret]
    ) throws(Refusal) -> [ServerSecret] {
        let given = Set(secrets.map(\.fingerprint))
        let missing = known.filter { !$0.isRetired && !given.contains($0.fingerprint) }
        guard missing.isEmpty else { throw .missing(keyIDs: missing.map(\.keyID).sorted()) }
        let unknown = secrets.filter { secret in
            !known.contains { $0.fingerprint == secret.fingerprint }
        }
        guard
            !unknown.isEmpty
                || known.contains(where: { !$0.isRetired && given.contains($0.fingerprint) })
        else { throw .allRetired }
        return unknown
    }
}
