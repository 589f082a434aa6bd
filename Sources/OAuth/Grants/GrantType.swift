/// The grants that a client can be registered for. Metadata, registration and the token endpoint
/// derive from `allCases`, so that the compiler points at what a new one lacks.
package enum GrantType: String, Sendable, CaseIterable {
    case authorizationCode = "authorization_code"
    case refreshToken = "refresh_token"
    case clientCredentials = "client_credentials"

    /// Reads the `grant_type` of a request (RFC 6749 §4.5 for the unknown ones).
    package init(parameter: String) throws(OAuthError) {
        guard let type = GrantType(rawValue: parameter) else {
            throw OAuthError(
                .unsupportedGrantType,
                "this server grants \(GrantType.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self = type
    }
}
