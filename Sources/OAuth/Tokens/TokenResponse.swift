/// What a client gets for a grant (RFC 6749 §5.1).
package struct TokenResponse: Sendable {
    package let accessToken: Redacted<String>
    package let expiresInSeconds: Int64
    package var refreshToken: Redacted<String>?
    /// OpenID Connect Core §3.1.3.3.
    package var idToken: Redacted<String>?
    package let scope: Scope

    package init(
        accessToken: Redacted<String>, expiresInSeconds: Int64,
        refreshToken: Redacted<String>? = nil, idToken: Redacted<String>? = nil, scope: Scope
    ) {
        self.accessToken = accessToken
        self.expiresInSeconds = expiresInSeconds
        self.refreshToken = refreshToken
        self.idToken = idToken
        self.scope = scope
    }

    /// The body of the answer.
    package var json: [UInt8] {
        var json = JSONObject()
        json.set("access_token", accessToken.value)
        json.set("token_type", "Bearer")
        json.set("expires_in", expiresInSeconds)
        if let refreshToken { json.set("refresh_token", refreshToken.value) }
        if let idToken { json.set("id_token", idToken.value) }
        if !scope.isEmpty { json.set("scope", scope.description) }
        return json.bytes
    }
}
