/// Whether something is alive: the one place where that is decided, for tokens, codes, grants and
/// browsers' sessions alike.
///
/// Every path that mints, introspects or answers userinfo goes through it.
package enum Liveness: Sendable, Equatable {
    case alive(LiveToken)
    case dead(CauseOfDeath)

    /// Why something is dead. Only `doornail introspect --explain` and the log ever say it.
    package enum CauseOfDeath: String, Sendable, CaseIterable {
        case forged = "it is not a token of this server, or was changed on the way"
        case expired = "it has expired"
        case tokenRevoked = "the token was revoked"
        case secretRetired = "the secret that it was signed under was retired"
        case clientMissing = "its client was deleted"
        case clientDisabled = "its client is disabled"
        case clientEnded = "everything issued to its client was revoked"
        case grantMissing = "its grant is gone"
        case grantEnded = "its grant was ended"
        case grantExpired = "its grant has expired"
        case grantIdle = "it was not used for too long"
        case rotated = "it was used, and another one took its place"
        case stateLost = "the database does not know it: it is older than the token"
        case sessionMissing = "its login is gone"
        case sessionEnded = "its login was ended"
        case sessionExpired = "its login has expired"
        case userMissing = "its user was deleted"
        case userDisabled = "its user is disabled"
        case userEnded = "every login of its user was ended"
    }

    /// The rows that something hangs on, read in one statement together with the time.
    package struct State: Sendable, Equatable {
        package let readAt: UnixTime
        package let isTokenRevoked: Bool
        package let isSecretRetired: Bool
        package let client: ClientState?
        package let grant: GrantState?
        package let session: SessionState?
        package let user: UserState?

        package init(
            readAt: UnixTime, isTokenRevoked: Bool = false, isSecretRetired: Bool = false,
            client: ClientState?, grant: GrantState? = nil, session: SessionState? = nil,
            user: UserState? = nil
        ) {
            self.readAt = readAt
            self.isTokenRevoked = isTokenRevoked
            self.isSecretRetired = isSecretRetired
            self.client = client
            self.grant = grant
            self.session = session
            self.user = user
        }
    }

    /// What liveness needs of a client.
    package struct ClientState: Sendable, Equatable {
        package let clientID: String
        package let epoch: Int64
        package let isDisabled: Bool

        package init(clientID: String, epoch: Int64, isDisabled: Bool) {
            self.clientID = clientID
            self.epoch = epoch
            self.isDisabled = isDisabled
        }
    }

    /// What liveness needs of a user.
    package struct UserState: Sendable, Equatable {
        package let id: Identifier
        package let username: String
        package let epoch: Int64
        package let isDisabled: Bool

        package init(id: Identifier, username: String, epoch: Int64, isDisabled: Bool) {
            self.id = id
            self.username = username
            self.epoch = epoch
            self.isDisabled = isDisabled
        }
    }

    /// Decides for an authentic access token. It is dead from the second of its expiry on.
    package static func of(_ token: AccessToken, in state: State) -> Liveness {
        if state.isTokenRevoked { return .dead(.tokenRevoked) }
        if state.isSecretRetired { return .dead(.secretRetired) }
        let live: LiveToken
        switch token.subject {
        case .client(let id, let epoch):
            if let cause = death(of: state.client, epoch: epoch) { return .dead(cause) }
            guard let client = state.client else { return .dead(.clientMissing) }
            live = LiveToken(
                client: id, clientID: client.clientID, user: nil, scope: token.scope ?? .none,
                audience: token.audience ?? [], issuedAt: token.issuedAt,
                expiresAt: token.expiresAt, certainUntil: token.expiresAt)
        case .grant:
            if let cause = deathOfGrant(in: state) { return .dead(cause) }
            guard let grant = state.grant, let client = state.client else {
                return .dead(.grantMissing)
            }
            live = LiveToken(
                client: grant.client, clientID: client.clientID, user: state.user,
                scope: token.scope ?? grant.scope, audience: token.audience ?? grant.audience,
                issuedAt: token.issuedAt, expiresAt: token.expiresAt,
                certainUntil: min(token.expiresAt, expiry(of: grant, in: state)))
        }
        if state.readAt >= token.expiresAt { return .dead(.expired) }
        return .alive(live)
    }

    /// Decides for an authentic refresh token: alive while it is the newest of a grant that can be
    /// refreshed.
    package static func of(_ token: RefreshToken, in state: State) -> Liveness {
        if state.isSecretRetired { return .dead(.secretRetired) }
        if let cause = deathOfRefreshing(in: state) { return .dead(cause) }
        guard let grant = state.grant, let client = state.client else {
            return .dead(.grantMissing)
        }
        if token.generation < grant.generation { return .dead(.rotated) }
        if token.generation > grant.generation { return .dead(.stateLost) }
        let expiresAt = min(grant.idleExpiresAt, expiry(of: grant, in: state))
        return .alive(
            LiveToken(
                client: grant.client, clientID: client.clientID, user: state.user,
                scope: grant.scope, audience: grant.audience, issuedAt: grant.rotatedAt,
                expiresAt: expiresAt, certainUntil: expiresAt))
    }

    /// When a grant ends by itself, with its session if it hangs on one.
    private static func expiry(of grant: GrantState, in state: State) -> UnixTime {
        guard !grant.isOffline, let session = state.session else { return grant.expiresAt }
        return min(grant.expiresAt, session.idleExpiresAt, session.expiresAt)
    }

    package static func of(_ token: Token, in state: State) -> Liveness {
        switch token {
        case .access(let token): of(token, in: state)
        case .refresh(let token): of(token, in: state)
        }
    }

    /// Why a grant is dead with all that hangs on it; nil where it is alive.
    ///
    /// One with `offline_access` hangs on its user alone, any other on its session.
    package static func deathOfGrant(in state: State) -> CauseOfDeath? {
        guard let grant = state.grant else { return .grantMissing }
        if grant.isRevoked { return .grantEnded }
        if let cause = death(of: state.client, epoch: grant.clientEpoch) { return cause }
        let cause =
            grant.isOffline
            ? death(of: state.user, epoch: grant.userEpoch)
            : deathOfSession(state.session, user: state.user, at: state.readAt)
        if let cause { return cause }
        if state.readAt >= grant.expiresAt { return .grantExpired }
        return nil
    }

    /// Why a grant cannot be refreshed any more; nil where it can. It cannot from the second of its idle
    /// expiry on, though access tokens that it gave before live on until their own.
    package static func deathOfRefreshing(in state: State) -> CauseOfDeath? {
        if let cause = deathOfGrant(in: state) { return cause }
        guard let grant = state.grant else { return .grantMissing }
        return state.readAt >= grant.idleExpiresAt ? .grantIdle : nil
    }

    /// Why a code is dead; nil where it may be redeemed. Every code hangs on its session, also one for
    /// offline access: only the grant that it makes outlives the session.
    package static func deathOfCode(_ code: CodeState, in state: State) -> CauseOfDeath? {
        if state.isSecretRetired { return .secretRetired }
        if let cause = death(of: state.client, epoch: code.clientEpoch) { return cause }
        if let cause = deathOfSession(state.session, user: state.user, at: state.readAt) {
            return cause
        }
        if code.isOffline, let cause = death(of: state.user, epoch: code.userEpoch) {
            return cause
        }
        return state.readAt >= code.expiresAt ? .expired : nil
    }

    /// Why a login is dead; nil where it is alive.
    package static func deathOfSession(
        _ session: SessionState?, user: UserState?, at now: UnixTime
    ) -> CauseOfDeath? {
        guard let session else { return .sessionMissing }
        if session.isRevoked { return .sessionEnded }
        if let cause = death(of: user, epoch: session.userEpoch) { return cause }
        if user?.id != session.user { return .userMissing }
        if now >= session.idleExpiresAt || now >= session.expiresAt { return .sessionExpired }
        return nil
    }

    private static func death(of user: UserState?, epoch: Int64) -> CauseOfDeath? {
        guard let user else { return .userMissing }
        if user.isDisabled { return .userDisabled }
        return user.epoch == epoch ? nil : .userEnded
    }

    private static func death(of client: ClientState?, epoch: Int64) -> CauseOfDeath? {
        guard let client else { return .clientMissing }
        if client.isDisabled { return .clientDisabled }
        return client.epoch == epoch ? nil : .clientEnded
    }
}

/// A token that was found alive, with what it says once its grant was looked at.
package struct LiveToken: Sendable, Equatable {
    package let client: Identifier
    package let clientID: String
    /// Whose it is; nil for a client's own.
    package let user: Liveness.UserState?
    package let scope: Scope
    package let audience: [String]
    package let issuedAt: UnixTime
    package let expiresAt: UnixTime
    /// Until when nothing but an end makes it dead.
    package let certainUntil: UnixTime

    fileprivate init(
        client: Identifier, clientID: String, user: Liveness.UserState?, scope: Scope,
        audience: [String], issuedAt: UnixTime, expiresAt: UnixTime, certainUntil: UnixTime
    ) {
        self.client = client
        self.clientID = clientID
        self.user = user
        self.scope = scope
        self.audience = audience
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.certainUntil = certainUntil
    }

    /// The subject (`sub`): the user's id, or the client's.
    package var subject: String { user?.id.description ?? clientID }
}
