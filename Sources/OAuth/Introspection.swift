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
        answer(about: token, Facts(live), isActive: true, issuer: issuer)
    }

    /// What is known of a token beside the token itself.
    package struct Facts: Sendable {
        package let clientID: String?
        /// The subject (`sub`): the user's id, or the client's.
        package let subject: String?
        package let username: String?
        package let scope: Scope?
        package let audience: [String]
        package let issuedAt: UnixTime?
        package let expiresAt: UnixTime?

        package init(_ live: LiveToken) {
            clientID = live.clientID
            subject = live.subject
            username = live.user?.username
            scope = live.scope
            audience = live.audience
            issuedAt = live.issuedAt
            expiresAt = live.expiresAt
        }

        /// What is left of a token that is dead.
        package init(remainingOf token: Token, in state: Liveness.State) {
            clientID = state.client?.clientID
            // A deleted user's grant still says whose it was.
            subject = token.grant == nil ? clientID : state.grant?.user.description
            username = state.user?.username
            switch token {
            case .access(let access):
                scope = access.scope ?? state.grant?.scope
                audience = access.audience ?? state.grant?.audience ?? []
                issuedAt = access.issuedAt
                expiresAt = access.expiresAt
            case .refresh:
                scope = state.grant?.scope
                audience = state.grant?.audience ?? []
                // The row has the times of the newest refresh token, and this may be an older one.
                issuedAt = nil
                expiresAt = nil
            }
        }
    }

    /// What is said of a token by whoever may know all: to an operator also of one that is dead.
    package static func answer(
        about token: Token, _ facts: Facts, isActive: Bool, issuer: String?
    ) -> [UInt8] {
        var json = JSONObject()
        json.set("active", isActive)
        switch token {
        case .access:
            json.set("token_type", "Bearer")
            json.set("token_use", "access_token")
        case .refresh:
            json.set("token_use", "refresh_token")
        }
        if let clientID = facts.clientID { json.set("client_id", clientID) }
        if let subject = facts.subject { json.set("sub", subject) }
        if let username = facts.username { json.set("username", username) }
        if let scope = facts.scope, !scope.isEmpty { json.set("scope", scope.description) }
        if let issuer { json.set("iss", issuer) }
        switch facts.audience.count {
        case 0: break
        case 1: json.set("aud", facts.audience[0])
        default: json.set("aud", facts.audience)
        }
        if let expiresAt = facts.expiresAt { json.set("exp", expiresAt.seconds) }
        if let issuedAt = facts.issuedAt { json.set("iat", issuedAt.seconds) }
        if case .access(let access) = token {
            if let issuedAt = facts.issuedAt { json.set("nbf", issuedAt.seconds) }
            json.set("jti", access.id.description)
        }
        return json.bytes
    }
}
