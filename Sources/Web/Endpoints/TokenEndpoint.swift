import Cluster
import Hummingbird
import Logging
import OAuth
import Storage

/// `/token`: gives tokens (RFC 6749 §3.2).
struct TokenEndpoint: Sendable {
    let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) async throws -> Response {
        let sent = try await FormRequest(request, context, services)
        let grantType = try GrantType(parameter: sent.form.required("grant_type"))
        switch grantType {
        case .clientCredentials: return try await clientCredentials(sent)
        case .authorizationCode: return try await authorizationCode(sent, context)
        case .refreshToken: return try await refreshToken(sent, context)
        }
    }

    private func clientCredentials(_ sent: FormRequest) async throws -> Response {
        Answer.json(
            try clientCredentials(sent.form, sent.client, unretired: sent.unretiredKeyIDs))
    }

    /// The answer to a client that wants a token of its own; the hot path gives it too.
    func clientCredentials(
        _ form: Form, _ client: AuthenticatedClient, unretired: Set<UInt8>
    ) throws -> String {
        let grant = try ClientCredentialsGrant(form, client: client)
        let token = grant.token(
            for: client, id: newID(client.readAt),
            keyID: try services.node.signingKeyID(unretired: unretired),
            lifetimeSeconds: services.lifetimes.accessTokenSeconds)
        var (json, _) = try begun(token, refreshToken: nil)
        if !grant.scope.isEmpty { json.set("scope", grant.scope.description) }
        return json.encoded
    }

    // MARK: Codes

    private func authorizationCode(
        _ sent: FormRequest, _ context: DoornailContext
    ) async throws -> Response {
        let code = try services.node.openCode(sent.form.required("code"))
        let grant = newID(sent.client.readAt)
        // The second time, another redemption was quicker, and this one is a replay.
        for _ in 0..<2 {
            let decision = try await decide(sent, code, context)
            switch decision {
            case .reject(let error, let ending):
                // Our own grant is no replay's.
                if let ending, ending != grant {
                    try await endReplayed(ending, "code replayed", context)
                }
                throw error
            case .redeem(let redemption):
                if let response = try await redeem(
                    redemption, for: grant, sent, context)
                {
                    return response
                }
            }
        }
        throw OAuthError(.invalidGrant, "the code is used or expired")
    }

    private func decide(
        _ sent: FormRequest, _ code: AuthorizationCode?, _ context: DoornailContext
    ) async throws -> AuthorizationCodeGrant.Decision {
        var row: CodeState?
        var state = Liveness.State(readAt: sent.client.readAt, client: nil)
        if let code {
            (row, state) = try await services.store.code(code, by: context.deadline)
        }
        return AuthorizationCodeGrant.decide(
            sent.form, client: sent.client, code: code, row: row, in: state)
    }

    /// Redeems a code; nil where it was not there any more.
    private func redeem(
        _ redemption: AuthorizationCodeGrant.Redemption, for id: Identifier, _ sent: FormRequest,
        _ context: DoornailContext
    ) async throws -> Response? {
        try requireSigner(for: redemption.state.scope, of: sent.client.client)
        let lifetimes = services.lifetimes
        let isRefreshable = sent.client.client.grantTypes.contains(.refreshToken)
        let keyID = try services.node.signingKeyID(unretired: sent.unretiredKeyIDs)
        let now = sent.client.readAt
        let seconds =
            isRefreshable
            ? lifetimes.refreshTokenMaximumSeconds : lifetimes.accessTokenSeconds
        let grant = GrantIssue(
            id: id, isOffline: redemption.state.isOffline, keyID: keyID,
            idleSeconds: min(lifetimes.refreshTokenIdleSeconds, seconds), maximumSeconds: seconds)
        context.log.grant = grant.id.description
        guard try await services.store.redeem(redemption.code, for: grant, by: context.deadline)
        else { return nil }
        let expiresAt = now.adding(seconds: lifetimes.accessTokenSeconds)
        let token = AccessToken(
            id: newID(now), keyID: keyID, subject: .grant(grant.id), issuedAt: now,
            expiresAt: min(expiresAt, redemption.loginExpiresAt ?? expiresAt), scope: nil,
            audience: redemption.audience)
        return try await answer(
            token, scope: redemption.state.scope,
            refreshToken: isRefreshable
                ? RefreshToken(grant: grant.id, generation: 1, keyID: keyID) : nil,
            login: Login(
                session: redemption.session, authenticatedAt: redemption.state.authenticatedAt,
                client: sent.client.client, nonce: redemption.state.nonce))
    }

    // MARK: Refresh tokens

    private func refreshToken(
        _ sent: FormRequest, _ context: DoornailContext
    ) async throws -> Response {
        let client = sent.client.client
        var presented: RefreshToken?
        var state = Liveness.State(readAt: sent.client.readAt, client: nil)
        if case .refresh(let token) = try services.node.open(
            sent.form.required("refresh_token"))
        {
            presented = token
            context.log.grant = token.grant.description
            state = try await services.store.liveness(of: .refresh(token), by: context.deadline)
        }
        let request: RefreshTokenGrant
        switch RefreshTokenGrant.decide(
            sent.form, client: sent.client, token: presented, in: state)
        {
        case .reject(let error): throw error
        case .rotate(let decided): request = decided
        }
        // Before the rotation, so that nothing that can fail follows it.
        try requireSigner(for: request.scope ?? request.grant.scope, of: client)
        if let session = useDue(of: request, in: state) {
            try await services.store.useSession(
                session, from: nil, idleSeconds: services.lifetimes.session.idleSeconds,
                by: context.deadline)
        }
        var rotation = try rotation(for: request, of: client, unretired: sent.unretiredKeyIDs)
        var verdict = try await services.store.rotate(rotation, by: context.deadline)
        // Meanwhile another primary may have been heard, whose clock is ahead: that is an outage, too.
        if verdict == .replay, try services.node.gate.outage() != rotation.outage {
            rotation = try self.rotation(for: request, of: client, unretired: sent.unretiredKeyIDs)
            verdict = try await services.store.rotate(rotation, by: context.deadline)
        }
        switch verdict {
        case .issue(let successor, let now):
            return try await refreshed(
                request, successor, of: client, keyID: rotation.keyID, at: now, in: state)
        case .replay:
            try await endReplayed(request.grant.id, "refresh token replayed", context)
            throw RefreshTokenGrant.refusal("replayed")
        case .stateLost:
            context.logger.critical(
                "a refresh token is newer than its grant: the database lost state; after a restore, run 'doornail restored'",
                metadata: ["grant": "\(request.grant.id)", "request_id": "\(context.requestID)"])
            try await endReplayed(request.grant.id, "refresh token of a lost state", context)
            throw RefreshTokenGrant.refusal(Liveness.CauseOfDeath.stateLost.rawValue)
        case .over:
            throw RefreshTokenGrant.refusal("ended or expired meanwhile")
        }
    }

    /// The login whose use has to be noted: a refresh is one.
    func useDue(of request: RefreshTokenGrant, in state: Liveness.State) -> Identifier? {
        guard request.isUse, !request.grant.isOffline, let session = state.session,
            session.isUseDue(
                at: state.readAt, idleSeconds: services.lifetimes.session.idleSeconds)
        else { return nil }
        return session.id
    }

    func rotation(
        for request: RefreshTokenGrant, of client: Client, unretired: Set<UInt8>
    ) throws(StoreError) -> Rotation {
        Rotation(
            grant: request.grant.id, generation: request.token.generation,
            keyID: try services.node.signingKeyID(unretired: unretired),
            idleSeconds: services.lifetimes.refreshTokenIdleSeconds,
            retryWindowSeconds: Int64(client.retryWindowSeconds), rotates: client.rotates,
            outage: try services.node.gate.outage())
    }

    /// The access token in answer to a refresh.
    func accessToken(
        for request: RefreshTokenGrant, keyID: UInt8, at now: UnixTime, in state: Liveness.State
    ) throws(OAuthError) -> AccessToken {
        var expiresAt = min(
            now.adding(seconds: services.lifetimes.accessTokenSeconds), request.grant.expiresAt)
        if !request.grant.isOffline, let session = state.session {
            expiresAt = min(expiresAt, session.expiresAt)
        }
        guard expiresAt > now else { throw RefreshTokenGrant.refusal("expired meanwhile") }
        return AccessToken(
            id: newID(now), keyID: keyID, subject: .grant(request.grant.id), issuedAt: now,
            expiresAt: expiresAt, scope: request.scope, audience: request.audience)
    }

    private func refreshed(
        _ request: RefreshTokenGrant, _ successor: RefreshToken, of client: Client, keyID: UInt8,
        at now: UnixTime, in state: Liveness.State
    ) async throws -> Response {
        let token = try accessToken(for: request, keyID: keyID, at: now, in: state)
        // A login that is over, or was made anew for offline access, vouches for nobody any more.
        let isAlive =
            Liveness.deathOfSession(state.session, user: state.user, at: state.readAt) == nil
        return try await answer(
            token, scope: request.scope ?? request.grant.scope, refreshToken: successor,
            login: isAlive
                ? state.session.map {
                    Login(
                        session: $0, authenticatedAt: request.grant.authenticatedAt,
                        client: client, nonce: nil)
                } : nil)
    }

    /// Ends a grant whose code or refresh token was replayed (RFC 9700 §4.14.2).
    private func endReplayed(
        _ grant: Identifier, _ reason: String, _ context: DoornailContext
    ) async throws(StoreError) {
        context.log.outcome = "replay"
        do {
            _ = try await services.revoker.end(
                .grant(grant), because: Cause(reason: reason, actor: "doornail"),
                by: context.deadline)
        } catch .missing {
            // It is gone, and so is all that hung on it.
        }
    }

    // MARK: Answers

    private func newID(_ now: UnixTime) -> Identifier {
        var random = SystemRandomNumberGenerator()
        return Identifier(milliseconds: UInt64(clamping: now.seconds) &* 1000, using: &random)
    }

    /// The login that an ID token tells of, to whom, and in answer to which request.
    private struct Login {
        let session: SessionState
        /// When the person had logged in as the grant was asked for (OpenID Connect Core §12.2).
        let authenticatedAt: UnixTime?
        let client: Client
        let nonce: String?
    }

    /// The answer of RFC 6749 §5.1; with `openid`, also an ID token.
    private func answer(
        _ token: AccessToken, scope: Scope, refreshToken: RefreshToken?, login: Login?
    ) async throws -> Response {
        var (json, sealed) = try begun(token, refreshToken: refreshToken)
        if scope.contains("openid"), let login {
            json.set("id_token", try await idToken(login, with: token, sealed).value)
        }
        if !scope.isEmpty { json.set("scope", scope.description) }
        return Answer.json(json.encoded)
    }

    /// What the answer begins with, and the access token's text.
    func begun(
        _ token: AccessToken, refreshToken: RefreshToken?
    ) throws -> (JSONObject, Redacted<String>) {
        let codec = try services.node.codec()
        var json = JSONObject()
        guard let sealed = codec.seal(token) else {
            throw StoreError.unavailable("the signing secret changed; ask again")
        }
        json.set("access_token", sealed.value)
        json.set("token_type", "Bearer")
        // Both are, or follow, times that the database can hold: in seconds far from any overflow.
        json.set("expires_in", token.expiresAt.seconds - token.issuedAt.seconds)
        if let refreshToken {
            guard let sealed = codec.seal(refreshToken) else {
                throw StoreError.unavailable("this node lacks the secret of the refresh token")
            }
            json.set("refresh_token", sealed.value)
        }
        return (json, sealed)
    }

    /// That an ID token can be signed, before anything is consumed for it.
    private func requireSigner(for scope: Scope, of client: Client) throws(StoreError) {
        guard scope.contains("openid") else { return }
        guard try services.node.signingKeys().signs(by: client.idTokenAlgorithm) else {
            throw .unavailable("this node has no key for the ID token")
        }
    }

    private func idToken(
        _ login: Login, with token: AccessToken, _ text: Redacted<String>
    ) async throws -> Redacted<String> {
        let id = IDToken(
            issuer: services.issuer.text, subject: login.session.user,
            clientID: login.client.clientID, issuedAt: token.issuedAt, expiresAt: token.expiresAt,
            session: login.session,
            authenticatedAt: login.authenticatedAt ?? login.session.authenticatedAt,
            nonce: login.nonce, accessToken: text)
        guard
            let signed = try await services.node.signingKeys().sign(
                id, by: login.client.idTokenAlgorithm)
        else { throw StoreError.unavailable("this node has no key for the ID token") }
        return signed
    }
}
