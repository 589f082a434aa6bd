import OAuth

/// Things the tests are about, with what does not matter filled in.
enum Fixture {
    static let secret = "0123456789abcdef0123456789abcdef-a"
    static let otherSecret = "0123456789abcdef0123456789abcdef-b"

    static func identifier(_ number: UInt64) -> Identifier {
        Identifier(high: number, low: ~number)
    }

    static func ring(
        _ secrets: [(UInt8, String)] = [(1, secret)], lacking: Set<UInt8> = []
    ) throws -> KeyRing {
        KeyRing(
            keys: try secrets.map { KeyRing.Key(id: $0.0, secret: try ServerSecret($0.1)) },
            signers: [secrets[0].0], lacking: lacking)
    }

    static func token(
        client: UInt64 = 1, epoch: Int64 = 1, expiresAt: Int64 = 2_000, scope: [String] = ["a"],
        audience: [String] = []
    ) -> AccessToken {
        AccessToken(
            id: identifier(77), keyID: 1, subject: .client(identifier(client), epoch: epoch),
            issuedAt: UnixTime(seconds: 1_000), expiresAt: UnixTime(seconds: expiresAt),
            scope: Scope(stored: scope), audience: audience)
    }

    static func client(
        _ number: UInt64 = 1, method: ClientRegistration.AuthenticationMethod = .any,
        secrets: [String] = ["right"], grants: [GrantType] = [.clientCredentials],
        redirectURIs: [String] = [], scope: [String] = ["a", "b"], audiences: [String] = [],
        introspects: ClientRegistration.Introspects = .audience,
        revokes: ClientRegistration.Revokes = .token,
        isFirstParty: Bool = false, isDisabled: Bool = false
    ) -> Client {
        Client(
            id: identifier(number), clientID: "client-\(number)",
            registration: ClientRegistration(
                name: "Client \(number)", method: method, grantTypes: grants,
                redirectURIs: redirectURIs, scope: Scope(stored: scope), audiences: audiences,
                introspects: introspects, revokes: revokes, isFirstParty: isFirstParty),
            secretHashes: secrets.map { ClientSecret.hash(Redacted($0)) }, epoch: 1,
            isDisabled: isDisabled)
    }

    /// A client for people's logins.
    static func app(
        _ number: UInt64 = 1, isPublic: Bool = false,
        grants: [GrantType] = [.authorizationCode, .refreshToken],
        redirectURIs: [String] = ["https://app.example/cb"],
        scope: [String] = ["openid", "offline_access", "a", "b"],
        audiences: [String] = ["https://r", "https://s"],
        revokes: ClientRegistration.Revokes = .token,
        isFirstParty: Bool = false, isDisabled: Bool = false
    ) -> Client {
        client(
            number, method: isPublic ? .none : .any, secrets: isPublic ? [] : ["right"],
            grants: grants, redirectURIs: redirectURIs, scope: scope, audiences: audiences,
            revokes: revokes, isFirstParty: isFirstParty, isDisabled: isDisabled)
    }

    static func authenticated(
        _ client: Client, at seconds: Int64 = 1_500
    ) throws -> AuthenticatedClient {
        try AuthenticatedClient.verify(
            PresentedCredentials(
                clientID: client.clientID,
                presented: client.isPublic ? .none : .basic(Redacted("right"))),
            client: client, readAt: UnixTime(seconds: seconds))
    }

    static func form(_ text: String) throws -> Form {
        try Form(parsing: Array(text.utf8))
    }

    // MARK: Rows

    static let user = Liveness.UserState(
        id: identifier(20), username: "ada", epoch: 3, isDisabled: false)

    static func clientState(_ number: UInt64 = 1) -> Liveness.ClientState {
        Liveness.ClientState(clientID: "client-\(number)", epoch: 1, isDisabled: false)
    }

    static func session(
        user: Identifier = Fixture.user.id, userEpoch: Int64 = 3, authenticatedAt: Int64 = 900,
        lastSeenAt: Int64 = 1_000, idleExpiresAt: Int64 = 3_000, expiresAt: Int64 = 4_000,
        isRevoked: Bool = false, amr: [String] = ["pwd"]
    ) -> SessionState {
        SessionState(
            id: identifier(30), user: user, userEpoch: userEpoch,
            authenticatedAt: UnixTime(seconds: authenticatedAt),
            lastSeenAt: UnixTime(seconds: lastSeenAt),
            idleExpiresAt: UnixTime(seconds: idleExpiresAt),
            expiresAt: UnixTime(seconds: expiresAt), isRevoked: isRevoked, amr: amr)
    }

    static func grant(
        client: UInt64 = 1, clientEpoch: Int64 = 1, userEpoch: Int64 = 3, isOffline: Bool = false,
        scope: [String] = ["a", "b"], audience: [String] = ["https://r", "https://s"],
        generation: Int64 = 5, idleExpiresAt: Int64 = 5_000, expiresAt: Int64 = 6_000,
        isRevoked: Bool = false
    ) -> GrantState {
        GrantState(
            id: identifier(40), client: identifier(client), clientEpoch: clientEpoch,
            user: user.id, userEpoch: userEpoch, session: identifier(30), isOffline: isOffline,
            scope: Scope(stored: scope), audience: audience, generation: generation,
            rotatedAt: UnixTime(seconds: 1_100), idleExpiresAt: UnixTime(seconds: idleExpiresAt),
            expiresAt: UnixTime(seconds: expiresAt), isRevoked: isRevoked)
    }

    /// A token of the grant.
    static func grantToken(
        expiresAt: Int64 = 2_000, scope: [String]? = nil, audience: [String]? = nil
    ) -> AccessToken {
        AccessToken(
            id: identifier(78), keyID: 1, subject: .grant(identifier(40)),
            issuedAt: UnixTime(seconds: 1_200), expiresAt: UnixTime(seconds: expiresAt),
            scope: scope.map(Scope.init(stored:)), audience: audience)
    }

    static func refreshToken(_ generation: Int64 = 5) -> RefreshToken {
        RefreshToken(grant: identifier(40), generation: generation, keyID: 1)
    }

    /// The rows of a login at work; a test changes what it is about.
    struct Rows {
        var now: Int64 = 1_500
        var isTokenRevoked = false
        var isSecretRetired = false
        var client: Liveness.ClientState? = Fixture.clientState()
        var user: Liveness.UserState? = Fixture.user
        var session: SessionState? = Fixture.session()
        var grant: GrantState? = Fixture.grant()

        var state: Liveness.State {
            Liveness.State(
                readAt: UnixTime(seconds: now), isTokenRevoked: isTokenRevoked,
                isSecretRetired: isSecretRetired, client: client, grant: grant, session: session,
                user: user)
        }
    }

    /// What a living access token says.
    static func live(_ token: AccessToken, in rows: Rows = Rows()) throws -> LiveToken {
        guard case .alive(let live) = Liveness.of(token, in: rows.state) else { throw Dead() }
        return live
    }

    struct Dead: Error {}
}
