package import Lease
package import OAuth
import Postgres
package import Storage

/// A person's login, step by step as the endpoints take them.
extension StoreFixture {
    package static let password = Redacted("correct horse")
    package static let lifetime = SessionLifetime(idleSeconds: 1_000, maximumSeconds: 10_000)
    package static let origin = Origin(userAgent: "tests", address: "127.0.0.1")

    package static func hash(_ password: Redacted<String> = Self.password) throws -> PasswordHash {
        var random = SystemRandomNumberGenerator()
        return try PasswordHash(
            password, cost: PasswordHash.Cost(logN: 4, r: 1, p: 1), using: &random)
    }

    package static func username(_ name: String) throws -> Username {
        guard let username = Username(name) else { throw Missing() }
        return username
    }

    /// Makes a user, and returns the id.
    @discardableResult
    package func user(_ name: String = "ada") async throws -> Identifier {
        let id = Self.identifier()
        try await store.createUser(
            NewUser(
                id: id, username: try Self.username(name), name: "Ada", email: nil,
                isEmailVerified: false, passwordHash: try Self.hash()))
        return id
    }

    /// The person with the epoch as it is read with the password hash.
    package func verified(
        _ name: String = "ada", password: Redacted<String> = Self.password
    ) async throws -> CompletedLogin {
        let read = try await store.user(Self.username(name)).user
        guard let user = try VerifiedUser.verify(read, password: password),
            case .done(let login) = LoginProgress(user).step(
                LoginPolicy(), at: UnixTime(seconds: 0))
        else { throw Missing() }
        return login
    }

    package static func cookie(_ session: Identifier = Self.identifier()) -> SessionCookie {
        var random = SystemRandomNumberGenerator()
        return SessionCookie(session: session, using: &random)
    }

    /// Logs a person in on a new browser.
    package func login(
        _ name: String = "ada", lasting lifetime: SessionLifetime = Self.lifetime
    ) async throws -> SessionCookie {
        let cookie = Self.cookie()
        guard
            try await store.beginSession(
                cookie, of: verified(name), from: Self.origin, lasting: lifetime) == .begun
        else { throw Missing() }
        return cookie
    }

    /// Whether a cookie's login is alive, has ended or is unknown.
    package func verdict(on cookie: SessionCookie) async throws -> SessionUser.Verdict {
        let read = try await store.session(cookie.session)
        return SessionUser.verify(
            cookie, session: read.session, secrets: read.secrets, user: read.user,
            at: read.readAt)
    }

    package func isAlive(_ cookie: SessionCookie) async throws -> Bool {
        if case .alive = try await verdict(on: cookie) { true } else { false }
    }

    package func sessionUser(_ cookie: SessionCookie) async throws -> SessionUser {
        guard case .alive(let user) = try await verdict(on: cookie) else { throw Missing() }
        return user
    }

    package func request(_ client: Client, scope: String = "a b") throws -> AuthorizationRequest {
        let form = try Form(
            parsing: Array(
                ("response_type=code&scope=\(scope.replacing(" ", with: "+"))"
                    + "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
                    + "&code_challenge_method=S256").utf8))
        let (address, isSent) = try AuthorizationRequest.address(form, client: client)
        return try AuthorizationRequest(
            form, client: client, address: address, isRedirectURISent: isSent)
    }

    /// Issues a code for a login that was found alive.
    package func code(
        _ client: Client, _ login: SessionUser, scope: String = "a b"
    ) async throws -> AuthorizationCode {
        let id = Self.identifier()
        try await store.issueCode(
            CodeIssue(id: id, request: request(client, scope: scope), login: login))
        return AuthorizationCode(id: id, keyID: 1)
    }

    package static func grantIssue(
        _ id: Identifier = Self.identifier(), isOffline: Bool = false, idleSeconds: Int64 = 1_000,
        maximumSeconds: Int64 = 10_000
    ) -> GrantIssue {
        GrantIssue(
            id: id, isOffline: isOffline, keyID: 1, idleSeconds: idleSeconds,
            maximumSeconds: maximumSeconds)
    }

    /// A grant of a login, by way of a code.
    package func grant(
        _ client: Client, _ cookie: SessionCookie, isOffline: Bool = false,
        idleSeconds: Int64 = 1_000, maximumSeconds: Int64 = 10_000
    ) async throws -> Identifier {
        let code = try await code(
            client, sessionUser(cookie), scope: isOffline ? "a b offline_access" : "a b")
        let issue = Self.grantIssue(
            isOffline: isOffline, idleSeconds: idleSeconds, maximumSeconds: maximumSeconds)
        guard try await store.redeem(code, for: issue) else { throw Missing() }
        return issue.id
    }

    /// A user, a client, a login and its grant; key id 1 is known.
    package func household(
        isOffline: Bool = false
    ) async throws -> (client: Client, cookie: SessionCookie, grant: Identifier) {
        try await admitSecret()
        try await user()
        let client = try await app()
        let cookie = try await login()
        return (client, cookie, try await grant(client, cookie, isOffline: isOffline))
    }

    /// An access token of a grant.
    package static func accessToken(of grant: Identifier) -> AccessToken {
        AccessToken(
            id: identifier(), keyID: 1, subject: .grant(grant), issuedAt: UnixTime(seconds: 0),
            expiresAt: UnixTime(seconds: .max), scope: nil, audience: nil)
    }

    /// Why an access token of a grant is dead; nil where it is alive.
    package func death(of grant: Identifier) async throws -> Liveness.CauseOfDeath? {
        try await death(of: .access(Self.accessToken(of: grant)))
    }

    package func death(of token: Token) async throws -> Liveness.CauseOfDeath? {
        switch try await Liveness.of(token, in: store.liveness(of: token)) {
        case .alive: nil
        case .dead(let cause): cause
        }
    }

    /// Why a code is dead; nil where it may be redeemed.
    package func death(of code: AuthorizationCode) async throws -> Liveness.CauseOfDeath? {
        let (row, state) = try await store.code(code)
        guard let row else { throw Missing() }
        return Liveness.deathOfCode(row, in: state)
    }

    package static func rotation(
        _ grant: Identifier, _ generation: Int64 = 1, keyID: UInt8 = 1, idleSeconds: Int64 = 1_000,
        retryWindowSeconds: Int64 = 30, rotates: Bool = true, outage: Outage? = nil
    ) -> Rotation {
        Rotation(
            grant: grant, generation: generation, keyID: keyID, idleSeconds: idleSeconds,
            retryWindowSeconds: retryWindowSeconds, rotates: rotates, outage: outage)
    }

    /// A second node's store on the same database.
    package func withOtherStore(
        _ body: @escaping @Sendable (Store) async throws -> Void
    ) async throws {
        let other = Store(
            PostgresPool.Configuration(url: url, size: 4, applicationName: "tests-2"),
            logger: TestDatabase.logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await other.run() }
            group.addTask { try await body(other) }
            try await group.next()
            group.cancelAll()
        }
    }
}
