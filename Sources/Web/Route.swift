package import HTTPTypes

/// Every route of the public listener: a path below the issuer's, and its methods. `openapi.yaml`
/// is compared with this list by a test.
package enum Route: String, CaseIterable, Sendable {
    case authorize = "/authorize"
    case login = "/login"
    case consent = "/consent"
    case logout = "/logout"
    case account = "/account"
    case token = "/token"
    case revoke = "/revoke"
    case introspect = "/introspect"
    case userInfo = "/userinfo"
    case keys = "/jwks.json"
    case metadata = "/.well-known/oauth-authorization-server"
    case openIDConfiguration = "/.well-known/openid-configuration"
    case live = "/health/live"
    case ready = "/health/ready"

    package var methods: [HTTPRequest.Method] {
        switch self {
        // No HEAD where GET may hand out a code.
        case .authorize, .consent: [.get, .post]
        case .login, .logout, .account: [.get, .head, .post]
        case .token, .revoke, .introspect: [.post]
        case .userInfo: [.get, .post]
        case .metadata, .openIDConfiguration, .keys, .live, .ready: [.get, .head]
        }
    }

    /// Whether pages of any origin may call it, without credentials (RFC 7009 §2.3).
    package var allowsAnyOrigin: Bool {
        switch self {
        case .token, .revoke, .metadata, .openIDConfiguration, .userInfo, .keys: true
        case .introspect, .live, .ready, .authorize, .login, .consent, .logout, .account: false
        }
    }

    /// Whether it has no answer without the database.
    package var needsDatabase: Bool {
        switch self {
        case .metadata, .openIDConfiguration, .live, .ready: false
        case .authorize, .login, .consent, .logout, .account, .token, .revoke, .introspect,
            .userInfo, .keys:
            true
        }
    }

    /// Whether people see its answers, errors too.
    package var isPage: Bool {
        switch self {
        case .authorize, .login, .consent, .logout, .account: true
        case .token, .revoke, .introspect, .metadata, .openIDConfiguration, .userInfo, .keys,
            .live, .ready:
            false
        }
    }

    /// Where it lies for an issuer: below the issuer's path, but health at the root, and metadata
    /// with the well-known part before the path (RFC 8414 §3.1).
    package func path(for issuer: String) -> String {
        switch self {
        case .token, .revoke, .introspect, .authorize, .login, .consent, .logout, .account:
            issuer + rawValue
        // OpenID Connect Discovery §4 appends where RFC 8414 inserts.
        case .openIDConfiguration, .userInfo, .keys: issuer + rawValue
        case .metadata: rawValue + issuer
        case .live, .ready: rawValue
        }
    }
}
