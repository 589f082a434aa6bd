/// A registered application or resource server, as the rules see it.
///
/// A class, since every request hands it on: to copy a struct of its size is to count a dozen references.
/// Whoever reads `registration.scope` copies the scope alone.
package final class Client: Sendable {
    package let id: Identifier
    package let clientID: String
    package let registration: ClientRegistration
    /// SHA-256 of the secrets that are valid, the newest first; two while one is being rotated.
    package let secretHashes: [[UInt8]]
    package let epoch: Int64
    package let isDisabled: Bool

    package init(
        id: Identifier, clientID: String, registration: ClientRegistration,
        secretHashes: [[UInt8]], epoch: Int64, isDisabled: Bool
    ) {
        self.id = id
        self.clientID = clientID
        self.registration = registration
        self.secretHashes = secretHashes
        self.epoch = epoch
        self.isDisabled = isDisabled
    }

    package var isPublic: Bool { registration.method.isPublic }

    /// How a client authenticates.
    package enum AuthenticationMethod: String, Sendable, CaseIterable {
        /// A secret by HTTP Basic or in the body, as the client likes: no method was asked for.
        case any
        case basic
        case post
        /// A public client, without a secret.
        case none

        package var isPublic: Bool { self == .none }

        /// Whether a client of this method may send its secret in this way.
        package func accepts(_ way: SecretWay) -> Bool {
            switch self {
            case .any: true
            case .basic: way == .basic
            case .post: way == .post
            case .none: false
            }
        }
    }

    /// How a secret comes with a request (RFC 6749 §2.3.1), by its name in the metadata (RFC 8414 §2
    /// `token_endpoint_auth_methods_supported`).
    package enum SecretWay: String, Sendable, CaseIterable {
        case basic = "client_secret_basic"
        case post = "client_secret_post"
    }

    /// What a client is told at `/introspect`.
    package enum Introspects: String, Sendable, CaseIterable {
        /// Its own tokens.
        case own
        /// Also tokens whose audience is its client id or one of its audiences.
        case audience
        /// All tokens.
        case any
    }

    /// What the revocation of one of its access tokens ends.
    package enum Revokes: String, Sendable, CaseIterable {
        case token
        case grant
    }

    /// Whether a text can be a client id: 1 to 255 of %x21-7E (RFC 6749 appendix A.1, less the
    /// space), and not in UUID form, so that it never equals a `sub` (RFC 9700 §4.15).
    package static func isClientID(_ text: String) -> Bool {
        (1...Limits.clientIDBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            && Identifier(text) == nil
    }

    /// Whether a text can be an audience: an absolute URI without a fragment (RFC 8707 §2).
    package static func isAudience(_ text: String) -> Bool {
        (1...Limits.audienceBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }
            && RedirectURI.scheme(of: text) != nil
    }
}
