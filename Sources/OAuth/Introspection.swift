/// What a caller is told about a token (RFC 7662).
package enum Introspection {
    /// The answer for every token that is dead, unknown, or not the caller's business: nothing
    /// tells these apart (RFC 7662 §2.2).
    package static let inactive = #"{"active":false}"#

    /// Whether a client may be told about a token that is alive.
    package static func mayKnow(_ caller: Client, about token: AccessToken) -> Bool {
        if token.client == caller.id { return true }
        return switch caller.introspects {
        case .own: false
        case .audience:
            token.audience.contains { $0 == caller.clientID || caller.audiences.contains($0) }
        case .any: true
        }
    }

    /// That a client may ask at all: only one that proves who it is (RFC 7662 §2.1).
    package static func requireMayAsk(_ caller: Client) throws(OAuthError) {
        guard !caller.isPublic else {
            throw OAuthError(
                .invalidClient, "introspection is for clients that have a secret",
                detail: "a public client asked")
        }
    }

    /// The answer about a token that is alive (RFC 7662 §2.2).
    package static func active(
        _ token: AccessToken, clientID: String, issuer: String
    ) -> String {
        var json = JSONObject()
        json.set("active", true)
        json.set("token_type", "Bearer")
        json.set("token_use", "access_token")
        json.set("client_id", clientID)
        switch token.subject {
        case .client: json.set("sub", clientID)
        }
        if !token.scope.isEmpty { json.set("scope", token.scope.description) }
        json.set("iss", issuer)
        switch token.audience.count {
        case 0: break
        case 1: json.set("aud", token.audience[0])
        default: json.set("aud", token.audience)
        }
        json.set("exp", token.expiresAt.seconds)
        json.set("iat", token.issuedAt.seconds)
        json.set("nbf", token.issuedAt.seconds)
        json.set("jti", token.id.description)
        return json.encoded
    }
}
