/// The refresh token grant (RFC 6749 §6) with rotation (RFC 9700 §4.14.2).
package struct RefreshTokenGrant: Sendable, Equatable {
    /// What is to be done about a request, before the grant's row has the last word.
    package enum Decision: Sendable, Equatable {
        case rotate(RefreshTokenGrant)
        case reject(OAuthError)
    }

    /// What the grant's row said to a refresh token, in one compare-and-set statement.
    package enum Verdict: Sendable, Equatable {
        /// This refresh token is the answer: a new one, the same as before to a retry in the window,
        /// or the presented one where the client's tokens do not rotate.
        case issue(RefreshToken, at: UnixTime)
        /// The token was used, and its time for retries is over: a replay.
        case replay
        /// The token is newer than the row: the database lost state.
        case stateLost
        /// The grant has ended or expired, or is gone.
        case over
    }

    package let token: RefreshToken
    package let grant: GrantState
    /// The scope and audience of the new access token, where they are less than the grant's.
    package let scope: Scope?
    package let audience: [String]?

    /// Whether this is the newest refresh token, as far as was read: then its use is one of the login,
    /// too.
    package var isUse: Bool { token.generation == grant.generation }

    /// Decides for a client that has authenticated, or is public and named itself. A wrong request
    /// consumes nothing and ends nothing.
    package static func decide(
        _ form: Form, client: AuthenticatedClient, token: RefreshToken?, in state: Liveness.State
    ) -> Decision {
        do throws(OAuthError) {
            try GrantType.refreshToken.requireRegistered(by: client.client)
            guard let token, let grant = state.grant else { throw refusal("no such token") }
            guard grant.client == client.client.id else { throw refusal("another client's token") }
            let scope = try narrowed(form["scope"], from: grant.scope)
            let audience = try ResourceIndicators.narrowed(
                asking: form.all("resource"), from: grant.audience)
            if state.isSecretRetired {
                throw refusal(Liveness.CauseOfDeath.secretRetired.rawValue)
            }
            if let cause = Liveness.deathOfRefreshing(in: state) { throw refusal(cause.rawValue) }
            return .rotate(
                RefreshTokenGrant(token: token, grant: grant, scope: scope, audience: audience))
        } catch {
            return .reject(error)
        }
    }

    /// The access token in answer: it outlives neither its grant nor its login, unless the grant is for
    /// offline access.
    package func issuance(in state: Liveness.State) -> Issuance {
        var bounds = [grant.expiresAt]
        if !grant.isOffline, let session = state.session { bounds.append(session.expiresAt) }
        return Issuance(
            grant: grant.id, scope: grant.scope, narrowed: scope, audience: audience,
            notAfter: bounds)
    }

    /// The scope asked for, which never grows; nil where it is all of the grant's.
    private static func narrowed(
        _ requested: String?, from granted: Scope
    ) throws(OAuthError) -> Scope? {
        guard let requested else { return nil }
        let wanted = try Scope(requested)
        guard wanted.isSubset(of: granted) else {
            throw OAuthError(.invalidScope, "the scope is more than what was granted")
        }
        return granted.isSubset(of: wanted) ? nil : wanted
    }

    /// All that a client learns about a refresh token that does not work.
    package static func refusal(_ detail: String) -> OAuthError {
        OAuthError(
            .invalidGrant, "the refresh token is unknown, expired, ended or used before",
            detail: detail)
    }
}
