internal import Crypto
internal import CryptoExtras

/// How a JWT is signed (RFC 7518 §3.1): the two that applications expect.
package enum SigningAlgorithm: String, Sendable, CaseIterable {
    case rs256 = "RS256"
    case es256 = "ES256"
}

/// A key that ID tokens are signed with.
package struct SigningKey: Sendable {
    package let kid: String
    package let algorithm: SigningAlgorithm
    /// What everybody may know of it: a JWK (RFC 7517 §4).
    package let publicJWK: String
    /// PKCS #8, as PEM.
    package let privatePEM: Redacted<String>

    package init(
        kid: String, algorithm: SigningAlgorithm, publicJWK: String, privatePEM: Redacted<String>
    ) {
        self.kid = kid
        self.algorithm = algorithm
        self.publicJWK = publicJWK
        self.privatePEM = privatePEM
    }

    /// A new key. For RSA it takes some tenths of a second of a core.
    package static func generate(
        _ algorithm: SigningAlgorithm, kid: Identifier
    ) throws -> SigningKey {
        var jwk = JSONObject()
        let pem: String
        switch algorithm {
        case .es256:
            let key = P256.Signing.PrivateKey()
            let point = [UInt8](key.publicKey.rawRepresentation)
            jwk.set("kty", "EC")
            jwk.set("crv", "P-256")
            jwk.set("x", Base64.encodeURL(point.prefix(32)))
            jwk.set("y", Base64.encodeURL(point.suffix(32)))
            pem = key.pemRepresentation
        case .rs256:
            let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
            let primitives = try key.publicKey.getKeyPrimitives()
            jwk.set("kty", "RSA")
            jwk.set("n", Base64.encodeURL([UInt8](primitives.modulus)))
            jwk.set("e", Base64.encodeURL([UInt8](primitives.publicExponent)))
            pem = key.pkcs8PEMRepresentation
        }
        jwk.set("kid", kid.description)
        jwk.set("alg", algorithm.rawValue)
        jwk.set("use", "sig")
        return SigningKey(
            kid: kid.description, algorithm: algorithm, publicJWK: jwk.encoded,
            privatePEM: Redacted(pem))
    }

    /// The private part under one of the server's secrets (AES-GCM); the key id and the kid are
    /// bound to it.
    package func sealed(under secret: ServerSecret) throws -> [UInt8] {
        let box = try AES.GCM.seal(
            Array(privatePEM.value.utf8), using: secret.key(for: .signingKey),
            authenticating: Array(kid.utf8))
        // Its nonce has the standard length, so there is a combined form.
        return box.combined.map { [UInt8]($0) } ?? []
    }

    /// Opens the private part; nil where it was sealed under another secret or for another key.
    package init?(
        kid: String, algorithm: SigningAlgorithm, publicJWK: String, sealed: [UInt8],
        under secret: ServerSecret
    ) {
        guard let box = try? AES.GCM.SealedBox(combined: sealed),
            let opened = try? AES.GCM.open(
                box, using: secret.key(for: .signingKey), authenticating: Array(kid.utf8)),
            let pem = String(validating: [UInt8](opened), as: UTF8.self)
        else { return nil }
        self.init(
            kid: kid, algorithm: algorithm, publicJWK: publicJWK, privatePEM: Redacted(pem))
    }
}

/// Which key signs, which are published, and when a new one is due: pure rules over their ages.
package enum SigningKeyRules {
    /// A key as the database knows it.
    package struct StoredKey: Sendable, Equatable {
        package let kid: String
        package let algorithm: SigningAlgorithm
        package let createdAt: UnixTime
        /// Withdrawn by an operator: it neither signs nor is published.
        package let isWithdrawn: Bool

        package init(
            kid: String, algorithm: SigningAlgorithm, createdAt: UnixTime, isWithdrawn: Bool
        ) {
            self.kid = kid
            self.algorithm = algorithm
            self.createdAt = createdAt
            self.isWithdrawn = isWithdrawn
        }
    }

    /// How long a key is published before it signs, so that whoever keeps the list has it.
    package static let aheadSeconds: Int64 = 3600
    /// How long a key is published after another took its place: longer than any ID token lives.
    package static let overlapSeconds: Int64 = 2 * 86_400
    /// When a key is old enough to be followed by another.
    package static let ageSeconds: Int64 = 90 * 86_400

    /// The key that signs: the newest that has been published for long enough, else the oldest.
    package static func signer(
        _ algorithm: SigningAlgorithm, among keys: [StoredKey], at now: UnixTime
    ) -> StoredKey? {
        let usable = usable(algorithm, keys)
        return usable.first { $0.createdAt.adding(seconds: aheadSeconds) <= now } ?? usable.last
    }

    /// The keys that are published: the one that signs, those to come, and those whose last tokens
    /// may still be looked at.
    package static func published(among keys: [StoredKey], at now: UnixTime) -> [StoredKey] {
        SigningAlgorithm.allCases.flatMap { algorithm in
            let usable = usable(algorithm, keys)
            return usable.enumerated().filter { index, _ in
                guard index > 0 else { return true }
                let successor = usable[index - 1]
                return now
                    < successor.createdAt.adding(seconds: aheadSeconds + overlapSeconds)
            }.map(\.element)
        }
    }

    /// Whether a new key is due, by age or since there is none.
    package static func isDue(
        _ algorithm: SigningAlgorithm, among keys: [StoredKey], at now: UnixTime
    ) -> Bool {
        guard let newest = usable(algorithm, keys).first else { return true }
        return now >= newest.createdAt.adding(seconds: ageSeconds)
    }

    /// The newest first.
    private static func usable(_ algorithm: SigningAlgorithm, _ keys: [StoredKey]) -> [StoredKey] {
        keys.filter { $0.algorithm == algorithm && !$0.isWithdrawn }
            .sorted { ($0.createdAt, $0.kid) > ($1.createdAt, $1.kid) }
    }
}
