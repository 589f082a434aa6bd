import OAuth
import Testing

@Suite struct AuthorizationCodeGrantTests {
    static let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    static let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    static let uri = "redirect_uri=https%3A%2F%2Fapp.example%2Fcb"
    static let right = uri + "&code_verifier=" + verifier
    static let code = AuthorizationCode(id: Fixture.identifier(50), keyID: 1)

    private func row(
        client: UInt64 = 1, isURISent: Bool = true, scope: [String] = ["a", "b"],
        expiresAt: Int64 = 1_560, redeemedAt: Int64? = nil
    ) throws -> CodeState {
        CodeState(
            client: Fixture.identifier(client), clientEpoch: 1, userEpoch: 3,
            session: Fixture.identifier(30), scope: Scope(stored: scope),
            audience: ["https://r", "https://s"], redirectURI: "https://app.example/cb",
            isRedirectURISent: isURISent,
            challenge: try CodeChallenge(
                Fixture.form("code_challenge=\(Self.challenge)&code_challenge_method=S256")),
            expiresAt: UnixTime(seconds: expiresAt),
            redemption: redeemedAt.map {
                CodeState.Redemption(at: UnixTime(seconds: $0), grant: Fixture.identifier(41))
            })
    }

    private func decide(
        _ form: String = Self.right, client: Client = Fixture.app(),
        code: AuthorizationCode? = Self.code, row: CodeState?, rows: Fixture.Rows = Fixture.Rows()
    ) throws -> AuthorizationCodeGrant.Decision {
        AuthorizationCodeGrant.decide(
            try Fixture.form(form), client: try Fixture.authenticated(client), code: code,
            row: row, in: rows.state)
    }

    /// What it was refused with, and what it ends.
    private func refusal(
        _ decision: AuthorizationCodeGrant.Decision
    ) -> (code: OAuthError.Code, ends: Bool)? {
        if case .reject(let error, let ending) = decision {
            #expect(ending == nil || ending == Fixture.identifier(41))
            return (error.code, ending != nil)
        }
        return nil
    }

    @Test(
        arguments: [
            (true, right, nil), (false, right, nil), (false, "code_verifier=" + verifier, nil),
            (true, right + "&resource=https://s", ["https://s"]),
            (true, right + "&resource=https://s&resource=https://r", nil),
            (true, right + "&unknown=1&scope=c", nil),
        ] as [(Bool, String, [String]?)])
    func redeems(isURISent: Bool, form: String, audience: [String]?) throws {
        for isPublic in [false, true] {
            let row = try row(isURISent: isURISent)
            let decision = try decide(form, client: Fixture.app(isPublic: isPublic), row: row)
            guard case .redeem(let redemption) = decision else {
                Issue.record("\(decision)")
                continue
            }
            #expect(redemption.code == Self.code)
            #expect(redemption.state == row)
            #expect(redemption.audience == audience)
        }
    }

    /// What is wrong about a request consumes nothing and ends nothing, also where the code was used
    /// before: a thief without the verifier must not end the owner's login.
    @Test(
        arguments: [
            ("", .invalidRequest), ("code_verifier=" + verifier, .invalidRequest),
            (uri, .invalidRequest), (uri + "&code_verifier=", .invalidRequest),
            (uri + "&code_verifier=" + verifier + "x", .invalidGrant),
            (uri + "&code_verifier=" + challenge, .invalidGrant),
            (uri + "&code_verifier=short", .invalidGrant),
            (uri + "x&code_verifier=" + verifier, .invalidGrant),
            (uri + "%2F&code_verifier=" + verifier, .invalidGrant),
            (
                "redirect_uri=https%3A%2F%2Fapp.example%2FCB&code_verifier=" + verifier,
                .invalidGrant
            ),
            (
                "redirect_uri=https%3A%2F%2Fapp.example%3A443%2Fcb&code_verifier=" + verifier,
                .invalidGrant
            ),
            (right + "&resource=https://t", .invalidTarget),
        ] as [(String, OAuthError.Code)])
    func wrongRequests(form: String, expected: OAuthError.Code) throws {
        for redeemedAt in [nil, 1_490] as [Int64?] {
            let refused = refusal(try decide(form, row: row(redeemedAt: redeemedAt)))
            #expect(refused?.code == expected)
            #expect(refused?.ends == false)
        }
    }

    @Test func wrongClients() throws {
        for redeemedAt in [nil, 1_490] as [Int64?] {
            let row = try row(redeemedAt: redeemedAt)
            for client in [Fixture.app(2), Fixture.app(2, isPublic: true)] {
                let refused = refusal(try decide(client: client, row: row))
                #expect(refused?.code == .invalidGrant)
                #expect(refused?.ends == false)
            }
            let unregistered = Fixture.app(grants: [.clientCredentials])
            let refused = refusal(try decide(client: unregistered, row: row))
            #expect(refused?.code == .unauthorizedClient)
            #expect(refused?.ends == false)
        }
    }

    @Test func noCode() throws {
        for (code, row) in [(nil, nil), (Self.code, nil), (nil, try row())]
            as [(AuthorizationCode?, CodeState?)]
        {
            let refused = refusal(try decide(code: code, row: row))
            #expect(refused?.code == .invalidGrant)
            #expect(refused?.ends == false)
        }
    }

    /// A replay with everything right ends what the code was redeemed for, for ten minutes.
    @Test(arguments: [
        (0, true), (1, true), (599, true), (600, true), (601, false), (86_400, false),
    ])
    func replays(secondsLater: Int64, ends: Bool) throws {
        for isPublic in [false, true] {
            var rows = Fixture.Rows(now: 1_490 + secondsLater)
            let row = try row(redeemedAt: 1_490)
            let app = Fixture.app(isPublic: isPublic)
            var refused = refusal(try decide(client: app, row: row, rows: rows))
            #expect(refused?.code == .invalidGrant)
            #expect(refused?.ends == ends)
            // Whatever else has ended: it is a replay all the same.
            rows.session = nil
            rows.isSecretRetired = true
            refused = refusal(try decide(client: app, row: row, rows: rows))
            #expect(refused?.ends == ends)
        }
    }

    @Test func expiry() throws {
        for (now, isRefused) in [(1_559, false), (1_560, true), (9_999, true)] as [(Int64, Bool)] {
            var rows = Fixture.Rows(now: now)
            rows.session = Fixture.session(idleExpiresAt: 90_000, expiresAt: 90_000)
            let refused = refusal(try decide(row: row(), rows: rows))
            #expect((refused != nil) == isRefused)
            #expect(refused?.ends != true)
        }
    }

    /// A code hangs on its login from the first, one for offline access too.
    @Test(arguments: [["a"], ["a", "offline_access"]])
    func whatItHangsOn(scope: [String]) throws {
        let changes: [@Sendable (inout Fixture.Rows) -> Void] = [
            { $0.session = nil }, { $0.session = Fixture.session(isRevoked: true) },
            { $0.session = Fixture.session(idleExpiresAt: 1_500) },
            { $0.session = Fixture.session(userEpoch: 2) }, { $0.user = nil },
            {
                $0.user = .init(
                    id: Fixture.user.id, username: "ada", epoch: 4, isDisabled: false)
            },
            { $0.user = .init(id: Fixture.user.id, username: "ada", epoch: 3, isDisabled: true) },
            { $0.client = nil },
            { $0.client = .init(clientID: "client-1", epoch: 2, isDisabled: false) },
            { $0.client = .init(clientID: "client-1", epoch: 1, isDisabled: true) },
            { $0.isSecretRetired = true },
        ]
        for (index, change) in changes.enumerated() {
            var rows = Fixture.Rows()
            change(&rows)
            let refused = refusal(try decide(row: row(scope: scope), rows: rows))
            #expect(refused?.code == .invalidGrant, "\(index)")
            #expect(refused?.ends == false, "\(index)")
        }
    }

    /// Checks go from who asks to what is asked, so that a stranger learns nothing of the code.
    @Test func order() throws {
        let dead = try row(expiresAt: 0)
        func code(_ form: String, client: Client = Fixture.app(), row: CodeState) throws
            -> OAuthError?
        {
            if case .reject(let error, _) = try decide(form, client: client, row: row) {
                return error
            }
            return nil
        }
        let unknown = try code("", row: dead)
        #expect(unknown?.description == "redirect_uri is missing")
        let strangers = [
            try code("", client: Fixture.app(2), row: dead),
            try code(Self.right, client: Fixture.app(2), row: row()),
            try code(Self.right + "&resource=https://t", client: Fixture.app(2), row: row()),
        ]
        for error in strangers { #expect(error == strangers[0]) }
        #expect(strangers[0]?.detail == "another client's code")
        // The same words for a code that is another's, used, expired and unknown.
        let used = try code(Self.right, row: row(redeemedAt: 1_490))
        let expired = try code(Self.right, row: dead)
        #expect(used?.description == strangers[0]?.description)
        #expect(expired?.description == strangers[0]?.description)
        // The verifier comes before the use and the expiry.
        #expect(try code(Self.uri + "&code_verifier=x", row: dead)?.detail == nil)
    }
}
