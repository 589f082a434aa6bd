/// What a caller is told about a token (RFC 7662).
package enum Introspection {
    /// The answer for every token that is dead, unknown, or not the caller's business: nothing
    /// tells these apart (RFC 7662 §2.2).
    package static let inactive = #"{"active":false}"#

    /// Whether a client may be told about a token that is alive. A refresh token is nobody's
    /// business but its client's, and of those who may know all.
    package static func mayKnow(
        _ caller: Client, about live: LiveToken, _ token: Token
    ) -> Bool {
        mayKnow(
            caller, client: live.client, isRefreshToken: token.isRefreshToken,
            isFor: live.audience.contains)
    }

    /// The same, by the client that the token was issued to, and who it is for.
    package static func mayKnow(
        _ caller: Client, client: Identifier, isRefreshToken: Bool, isFor: (String) -> Bool
    ) -> Bool {
        if client == caller.id { return true }
        return switch caller.registration.introspects {
        case .own: false
        case .audience:
            !isRefreshToken
                && (isFor(caller.clientID) || caller.registration.audiences.contains(where: isFor))
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
        _ token: Token, _ live: LiveToken, issuer: String
    ) -> [UInt8] {
        var json = JSONObject()
        json.set("active", true)
        switch token {
        case .access:
            json.set("token_type", "Bearer")
            json.set("token_use", "access_token")
        case .refresh:
            json.set("token_use", "refresh_token")
        }
        json.set("client_id", live.clientID)
        json.set("sub", live.subject)
        if let user = live.user { json.set("username", user.username) }
        if !live.scope.isEmpty { json.set("scope", live.scope.description) }
        json.set("iss", issuer)
        switch live.audience.count {
        case 0: break
        case 1: json.set("aud", live.audience[0])
        default: json.set("aud", live.audience)
        }
        json.set("exp", live.expiresAt.seconds)
        json.set("iat", live.issuedAt.seconds)
        if case .access(let access) = token {
            json.set("nbf", live.issuedAt.seconds)
            json.set("jti", access.id.description)
        }
        return json.bytes
    }
}
