/// A registered application or resource server, as the rules see it.
package struct Client: Sendable, Equatable {
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
    package let method: AuthenticationMethod
    /// SHA-256 of the secrets that are valid, the newest first; two while one is being rotated.
    package let secretHashes: [[UInt8]]
    package let grantTypes: [GrantType]
    package let scope: Scope
    package let audiences: [String]
    package let introspects: Introspects
    package let revokes: Revokes
    package let epoch: Int64
    package let isDisabled: Bool

    package init(
        id: Identifier, clientID: String, method: AuthenticationMethod, secretHashes: [[UInt8]],
        grantTypes: [GrantType], scope: Scope, audiences: [String], introspects: Introspects,
        revokes: Revokes, epoch: Int64, isDisabled: Bool
    ) {
        self.id = id
        self.clientID = clientID
        self.method = method
        self.secretHashes = secretHashes
        self.grantTypes = grantTypes
        self.scope = scope
        self.audiences = audiences
        self.introspects = introspects
        self.revokes = revokes
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
