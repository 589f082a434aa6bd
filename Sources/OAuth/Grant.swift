/// A grant as the rules see it: what one client may do for one login (the token family).
package struct GrantState: Sendable, Equatable {
    package let id: Identifier
    package let client: Identifier
    package let clientEpoch: Int64
    package let user: Identifier
    package let userEpoch: Int64
    package let session: Identifier
    /// It outlives its session (`offline_access`).
    package let isOffline: Bool
    package let scope: Scope
    package let audience: [String]
    /// The number of the refresh token that is valid.
    package let generation: Int64
    package let rotatedAt: UnixTime
    package let idleExpiresAt: UnixTime
    package let expiresAt: UnixTime
    package let isRevoked: Bool
    /// When the person had logged in as it was asked for (`auth_time`); nil where nobody noted it.
    package let authenticatedAt: UnixTime?

    package init(
        id: Identifier, client: Identifier, clientEpoch: Int64, user: Identifier,
        userEpoch: Int64, session: Identifier, isOffline: Bool, scope: Scope, audience: [String],
        generation: Int64, rotatedAt: UnixTime, idleExpiresAt: UnixTime, expiresAt: UnixTime,
        isRevoked: Bool, authenticatedAt: UnixTime? = nil
    ) {
        self.id = id
        self.client = client
        self.clientEpoch = clientEpoch
        self.user = user
        self.userEpoch = userEpoch
        self.session = session
        self.isOffline = isOffline
        self.scope = scope
        self.audience = audience
        self.generation = generation
        self.rotatedAt = rotatedAt
        self.idleExpiresAt = idleExpiresAt
        self.expiresAt = expiresAt
        self.isRevoked = isRevoked
        self.authenticatedAt = authenticatedAt
    }
}

/// A code as the rules see it, until and after it was redeemed.
package struct CodeState: Sendable, Equatable {
    package let client: Identifier
    package let clientEpoch: Int64
    package let userEpoch: Int64
    package let session: Identifier
    package let scope: Scope
    package let audience: [String]
    package let redirectURI: String
    /// Whether the request named it (RFC 6749 §4.1.3).
    package let isRedirectURISent: Bool
    package let challenge: CodeChallenge
    /// For the ID token (OpenID Connect Core §3.1.2.1).
    package let nonce: String?
    /// When the person had logged in; nil where nobody noted it.
    package let authenticatedAt: UnixTime?
    package let expiresAt: UnixTime
    /// When, and for which grant.
    package let redemption: Redemption?

    package struct Redemption: Sendable, Equatable {
        package let at: UnixTime
        package let grant: Identifier

        package init(at: UnixTime, grant: Identifier) {
            self.at = at
            self.grant = grant
        }
    }

    package init(
        client: Identifier, clientEpoch: Int64, userEpoch: Int64, session: Identifier,
        scope: Scope, audience: [String], redirectURI: String, isRedirectURISent: Bool,
        challenge: CodeChallenge, nonce: String? = nil, authenticatedAt: UnixTime? = nil,
        expiresAt: UnixTime, redemption: Redemption?
    ) {
        self.client = client
        self.clientEpoch = clientEpoch
        self.userEpoch = userEpoch
        self.session = session
        self.scope = scope
        self.audience = audience
        self.redirectURI = redirectURI
        self.isRedirectURISent = isRedirectURISent
        self.challenge = challenge
        self.nonce = nonce
        self.authenticatedAt = authenticatedAt
        self.expiresAt = expiresAt
        self.redemption = redemption
    }

    /// Whether what it is redeemed for outlives its session.
    package var isOffline: Bool { scope.contains("offline_access") }
}
