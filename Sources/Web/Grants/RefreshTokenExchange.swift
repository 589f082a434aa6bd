import Cluster
import Lease
import Logging
import OAuth
import Serving
import Storage

/// The refresh token grant (RFC 6749 §6): the grant's row has the last word, in one statement.
struct RefreshTokenExchange: TokenExchange {
    let services: Services

    func response(
        to sent: ClientRequest, _ notes: inout RequestNotes
    ) async throws -> TokenResponse {
        var presented: RefreshToken?
        var state = Liveness.State(readAt: sent.client.readAt, client: nil)
        if case .refresh(let token) = try services.node.open(sent.form.required("refresh_token")) {
            presented = token
            notes.grant = token.grant.description
            state = try await services.store.liveness(of: .refresh(token), by: sent.deadline)
        }
        let request: RefreshTokenGrant
        switch RefreshTokenGrant.decide(
            sent.form, client: sent.client, token: presented, in: state)
        {
        case .reject(let error): throw error
        case .rotate(let decided): request = decided
        }
        let issuer = TokenIssuer(services, sent)
        // Before the rotation, so that nothing that can fail follows it.
        try issuer.requireSigner(for: request.scope ?? request.grant.scope)
        if let session = useDue(of: request, in: state) {
            try await services.store.useSession(
                session, from: nil, idleSeconds: services.lifetimes.session.idleSeconds,
                by: sent.deadline)
        }
        let keyID = try issuer.keyID()
        var rotation = try rotation(for: request, of: sent.client.client, keyID: keyID)
        var verdict = try await services.store.rotate(rotation, by: sent.deadline)
        // Meanwhile another primary may have been heard, whose clock is ahead: that is an outage, too.
        if verdict == .replay, try services.node.gate.outage() != rotation.outage {
            rotation = try self.rotation(for: request, of: sent.client.client, keyID: keyID)
            verdict = try await services.store.rotate(rotation, by: sent.deadline)
        }
        switch verdict {
        case .issue(let successor, let now):
            return try await refreshed(request, successor, issuer, keyID: keyID, at: now, in: state)
        case .replay:
            try await services.endReplayed(
                request.grant.id, "refresh token replayed", sent, &notes)
            throw RefreshTokenGrant.refusal("replayed")
        case .stateLost:
            services.logger.critical(
                "a refresh token is newer than its grant: the database lost state; after a restore, run 'doornail restored'",
                metadata: ["grant": "\(request.grant.id)", "request_id": "\(sent.requestID)"])
            try await services.endReplayed(
                request.grant.id, "refresh token of a lost state", sent, &notes)
            throw RefreshTokenGrant.refusal(Liveness.CauseOfDeath.stateLost.rawValue)
        case .over:
            throw RefreshTokenGrant.refusal("ended or expired meanwhile")
        }
    }

    /// The login whose use has to be noted: a refresh is one.
    private func useDue(of request: RefreshTokenGrant, in state: Liveness.State) -> Identifier? {
        guard request.isUse, !request.grant.isOffline, let session = state.session,
            session.isUseDue(
                at: state.readAt, idleSeconds: services.lifetimes.session.idleSeconds)
        else { return nil }
        return session.id
    }

    private func rotation(
        for request: RefreshTokenGrant, of client: Client, keyID: UInt8
    ) throws(StoreError) -> Rotation {
        Rotation(
            grant: request.grant.id, generation: request.token.generation, keyID: keyID,
            idleSeconds: services.lifetimes.refreshTokenIdleSeconds,
            retryWindowSeconds: Int64(client.registration.retryWindowSeconds),
            rotates: client.registration.rotates,
            outage: try services.node.gate.outage())
    }

    private func refreshed(
        _ request: RefreshTokenGrant, _ successor: RefreshToken, _ issuer: TokenIssuer,
        keyID: UInt8, at now: UnixTime, in state: Liveness.State
    ) async throws -> TokenResponse {
        guard
            var issued = try issuer.issue(request.issuance(in: state), keyID: keyID, at: now)
        else { throw RefreshTokenGrant.refusal("expired meanwhile") }
        try issued.add(successor)
        // A login that is over, or was begun anew for offline access, has no ID token any more.
        if let session = state.session,
            Liveness.deathOfSession(state.session, user: state.user, at: state.readAt) == nil
        {
            try await issued.addIDToken(
                .init(session: session, authenticatedAt: request.grant.authenticatedAt, nonce: nil))
        }
        return issued.response
    }
}
