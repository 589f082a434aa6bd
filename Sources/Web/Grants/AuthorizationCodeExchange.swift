import Cluster
import OAuth
import Serving
import Storage

/// The authorization code grant (RFC 6749 §4.1.3): a code makes a grant, once.
struct AuthorizationCodeExchange: TokenExchange {
    let services: Services

    func response(
        to sent: ClientRequest, _ notes: inout RequestNotes
    ) async throws -> TokenResponse {
        let code = try services.node.openCode(sent.form.required("code"))
        let grant = TokenIssuer.newID(sent.client.readAt)
        // The second time, another redemption was quicker, and this one is a replay.
        for _ in 0..<2 {
            switch try await decide(sent, code) {
            case .reject(let error, let ending):
                // Our own grant is no replay's.
                if let ending, ending != grant {
                    try await services.endReplayed(ending, "code replayed", sent, &notes)
                }
                throw error
            case .redeem(let redemption):
                if let response = try await redeem(redemption, for: grant, sent, &notes) {
                    return response
                }
            }
        }
        throw OAuthError(.invalidGrant, "the code is used or expired")
    }

    private func decide(
        _ sent: ClientRequest, _ code: AuthorizationCode?
    ) async throws -> AuthorizationCodeGrant.Decision {
        var row: CodeState?
        var state = Liveness.State(readAt: sent.client.readAt, client: nil)
        if let code {
            (row, state) = try await services.store.code(code, by: sent.deadline)
        }
        return AuthorizationCodeGrant.decide(
            sent.form, client: sent.client, code: code, row: row, in: state)
    }

    /// Redeems a code; nil where it was gone.
    private func redeem(
        _ redemption: AuthorizationCodeGrant.Redemption, for id: Identifier,
        _ sent: ClientRequest, _ notes: inout RequestNotes
    ) async throws -> TokenResponse? {
        let client = sent.client.client
        let issuer = TokenIssuer(services, sent)
        try issuer.requireSigner(for: redemption.state.scope)
        let lifetimes = services.lifetimes
        let isRefreshable = client.registration.grantTypes.contains(.refreshToken)
        let keyID = try issuer.keyID()
        let seconds =
            isRefreshable
            ? lifetimes.refreshTokenMaximumSeconds : lifetimes.accessTokenSeconds
        let grant = GrantIssue(
            id: id, isOffline: redemption.state.isOffline, keyID: keyID,
            idleSeconds: min(lifetimes.refreshTokenIdleSeconds, seconds), maximumSeconds: seconds)
        notes.grant = grant.id.description
        guard try await services.store.redeem(redemption.code, for: grant, by: sent.deadline)
        else { return nil }
        guard
            var issued = try issuer.issue(
                redemption.issuance(grant: grant.id), keyID: keyID, at: sent.client.readAt)
        else { throw OAuthError(.invalidGrant, "the login is over") }
        if isRefreshable {
            try issued.add(RefreshToken(grant: grant.id, generation: 1, keyID: keyID))
        }
        try await issued.addIDToken(
            .init(
                session: redemption.session, authenticatedAt: redemption.state.authenticatedAt,
                nonce: redemption.state.nonce))
        return issued.response
    }
}

extension Services {
    /// Ends a grant whose code or refresh token was replayed (RFC 9700 §4.14.2).
    func endReplayed(
        _ grant: Identifier, _ reason: String, _ sent: ClientRequest, _ notes: inout RequestNotes
    ) async throws(StoreError) {
        notes.outcome = "replay"
        do {
            _ = try await revoker.end(
                .grant(grant), because: Cause(reason: reason, actor: "doornail"),
                by: sent.deadline)
        } catch .missing {
            // It is gone, and so is all that hung on it.
        }
    }
}
