/// A registered application or resource server, as the rules see it.
///
/// A class, since it is handed on at every request: to copy a struct of its size is to count a dozen
/// references.
package final class Client: Sendable {
    /// How a client authenticates (RFC 8414 §2 `token_endpoint_auth_methods_supported`).
    package enum AuthenticationMethod: String, Sendable, CaseIterable {
        /// A secret by HTTP Basic or in the body, as the client likes: no method was asked for.
        case any
        case basic
        case post
        /// A public client, without a secret.
        case none
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

    package let id: Identifier
    package let clientID: String
    package let name: String
    package let method: AuthenticationMethod
    /// SHA-256 of the secrets that are valid, the newest first; two while one is being rotated.
    package let secretHashes: [[UInt8]]
    package let grantTypes: [GrantType]
    package let redirectURIs: [String]
    package let postLogoutRedirectURIs: [String]
    package let scope: Scope
    package let audiences: [String]
    package let introspects: Introspects
    package let revokes: Revokes
    package let isFirstParty: Bool
    /// Whether its refresh tokens are replaced at each use.
    package let rotates: Bool
    /// How long after its use a refresh token is answered with the same successor.
    package let retryWindowSeconds: Int32
    /// How its ID tokens are signed.
    package let idTokenAlgorithm: SigningAlgorithm
    package let epoch: Int64
    package let isDisabled: Bool

    package init(
        id: Identifier, clientID: String, name: String, method: AuthenticationMethod,
        secretHashes: [[UInt8]], grantTypes: [GrantType], redirectURIs: [String] = [],
        postLogoutRedirectURIs: [String] = [], scope: Scope, audiences: [String],
        introspects: Introspects, revokes: Revokes, isFirstParty: Bool = false,
        rotates: Bool = true, retryWindowSeconds: Int32 = 30,
        idTokenAlgorithm: SigningAlgorithm = .rs256, epoch: Int64, isDisabled: Bool
    ) {
        self.id = id
        self.clientID = clientID
        self.name = name
        self.method = method
        self.secretHashes = secretHashes
        self.grantTypes = grantTypes
        self.redirectURIs = redirectURIs
        self.postLogoutRedirectURIs = postLogoutRedirectURIs
        self.scope = scope
        self.audiences = audiences
        self.introspects = introspects
        self.revokes = revokes
        self.isFirstParty = isFirstParty
        self.rotates = rotates
        self.retryWindowSeconds = retryWindowSeconds
        self.idTokenAlgorithm = idTokenAlgorithm
        self.epoch = epoch
        self.isDisabled = isDisabled
    }

    package var isPublic: Bool { method == .none }

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
