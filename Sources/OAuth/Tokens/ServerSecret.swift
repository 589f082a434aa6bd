internal import Crypto

/// One secret of the server, as `DOORNAIL_SECRET` holds it: what every token is signed under.
///
/// Each use derives a key of its own (HKDF, RFC 5869), so a tag made for one purpose fits no other.
package struct ServerSecret: Sendable, CustomStringConvertible {
    /// What a derived key is for. The raw value goes into the derivation and never changes.
    package enum Purpose: String, Sendable, CaseIterable {
        case accessToken = "doornail/1/access-token"
        case refreshToken = "doornail/1/refresh-token"
        case authorizationCode = "doornail/1/authorization-code"
        /// Tokens in the forms of pages, against requests forged by other sites.
        case form = "doornail/1/form"
        /// A request to log in that is under way.
        case loginTicket = "doornail/1/login-ticket"
        /// Encrypts the private parts of signing keys.
        case signingKey = "doornail/1/signing-key"
        /// What a page may say that it has ended.
        case logoutTicket = "doornail/1/logout-ticket"
        /// What the account page may say that it has ended.
        case accountTicket = "doornail/1/account-ticket"
        /// The cookie of a browser that once logged in to an account.
        case device = "doornail/1/device"
        /// The counters of failed logins, so that the database has no names in them.
        case throttle = "doornail/1/throttle"
    }

    private let text: Redacted<[UInt8]>

    /// Takes a secret of 32 to 1024 characters without spaces or commas.
    package init(_ text: String) throws(Invalid) {
        let bytes = Array(text.utf8)
        guard Limits.secretBytes.contains(bytes.count) else { throw .length(bytes.count) }
        guard bytes.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ",") }) else {
            throw .character
        }
        self.text = Redacted(bytes)
    }

    /// Why a text is no secret; it never contains the text.
    package enum Invalid: Error, Sendable, CustomStringConvertible {
        case empty
        case length(Int)
        /// One that is not printable ASCII, or a space.
        case character

        package var description: String {
            switch self {
            case .empty: "the secret is empty"
            case .length(let count):
                "a secret has \(count) characters, and needs at least "
                    + "\(Limits.secretBytes.lowerBound) (at most \(Limits.secretBytes.upperBound))"
            case .character: "a secret has a character outside printable ASCII, or a space"
            }
        }
    }

    /// Reads a comma-separated list, the signing secret first (`DOORNAIL_SECRET`).
    package static func list(_ text: String) throws(Invalid) -> [ServerSecret] {
        var secrets: [ServerSecret] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: true) {
            let trimmed = part.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }
            if trimmed.isEmpty { continue }
            let secret = try ServerSecret(String(trimmed.reversed()))
            // The same secret given twice is one secret.
            if !secrets.contains(where: { $0.text == secret.text }) { secrets.append(secret) }
        }
        guard !secrets.isEmpty else { throw .empty }
        return secrets
    }

    /// A new secret: 256 random bits as text.
    package static func random(using random: inout some RandomNumberGenerator) -> String {
        Base64.encodeURL((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) })
    }

    /// What the database knows of the secret: it identifies it and tells nothing about it.
    package var fingerprint: [UInt8] {
        Array(
            HMAC<SHA256>.authenticationCode(
                for: Array("doornail/1/fingerprint".utf8),
                using: SymmetricKey(data: text.value)))
    }

    package var description: String { "***" }

    func key(for purpose: Purpose) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: text.value),
            info: Array(purpose.rawValue.utf8),
            outputByteCount: 32)
    }
}
