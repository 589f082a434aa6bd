/// The authorization code grant (RFC 6749 §4.1.3): tokens for a code, once.
package struct AuthorizationCodeGrant: Sendable {
    /// What is to be done about a request. A refusal may end something, which has to be committed
    /// though the answer is an error.
    package enum Decision: Sendable, Equatable {
        case redeem(Redemption)
        case reject(OAuthError, ending: Identifier?)
    }

    /// A code that may be redeemed, if it still is there.
    package struct Redemption: Sendable, Equatable {
        package let code: AuthorizationCode
        package let state: CodeState
        /// The audience of the first access token, where it is less than the grant's.
        package let audience: [String]?
        /// When the login is over at the latest, and its tokens with it; nil where they outlive it.
        package let loginExpiresAt: UnixTime?
        /// The login itself, for an ID token.
        package let session: SessionState

        /// The first access token of the grant that the code becomes.
        package func issuance(grant: Identifier) -> Issuance {
            Issuance(
                grant: grant, scope: state.scope, audience: audience,
                notAfter: loginExpiresAt.map { [$0] } ?? [])
        }
    }

    /// Decides for a client that has authenticated, or is public and named itself.
    ///
    /// A request that is wrong in any way consumes nothing and ends nothing; only the replay of a
    /// redeemed code, with everything right, ends what it was redeemed for (RFC 6749 §4.1.2).
    /// - Parameters:
    ///   - code: what was presented, nil where it is no code of ours.
    ///   - row: its row, nil where there is none (any more).
    package static func decide(
        _ form: Form, client: AuthenticatedClient, code: AuthorizationCode?, row: CodeState?,
        in state: Liveness.State
    ) -> Decision {
        do throws(OAuthError) {
            try GrantType.authorizationCode.requireRegistered(by: client.client)
            guard let code, let row else { throw refusal("no such code") }
            guard row.client == client.client.id else { throw refusal("another client's code") }
            if let uri = form["redirect_uri"] {
                guard Array(uri.utf8) == Array(row.redirectURI.utf8) else {
                    throw refusal("redirect_uri differs from the request's")
                }
            } else if row.isRedirectURISent {
                throw OAuthError(.invalidRequest, "redirect_uri is missing")
            }
            let verifier = try form.required("code_verifier")
            guard row.challenge.isMet(by: verifier) else {
                throw OAuthError(.invalidGrant, "code_verifier does not fit the code_challenge")
            }
            let audience = try ResourceIndicators.narrowed(
                asking: form.all("resource"), from: row.audience)
            if let redemption = row.redemption {
                let isReplay =
                    state.readAt <= redemption.at.adding(seconds: Limits.codeReplaySeconds)
                return .reject(
                    refusal("the code was used before"),
                    ending: isReplay ? redemption.grant : nil)
            }
            if let cause = Liveness.deathOfCode(row, in: state) { throw refusal(cause.rawValue) }
            guard let session = state.session else {
                throw refusal(Liveness.CauseOfDeath.sessionMissing.rawValue)
            }
            return .redeem(
                Redemption(
                    code: code, state: row, audience: audience,
                    loginExpiresAt: row.isOffline ? nil : session.expiresAt, session: session))
        } catch {
            return .reject(error, ending: nil)
        }
    }

    /// All that a client learns about a code that does not work.
    private static func refusal(_ detail: String) -> OAuthError {
        OAuthError(
            .invalidGrant, "the code is unknown, expired, used before, or not for this request",
            detail: detail)
    }
}
