import OAuth
import Testing

@Suite struct RefreshTokenGrantTests {
    private func decide(
        _ form: String = "", client: Client = Fixture.app(),
        token: RefreshToken? = Fixture.refreshToken(), rows: Fixture.Rows = Fixture.Rows()
    ) throws -> RefreshTokenGrant.Decision {
        RefreshTokenGrant.decide(
            try Fixture.form(form), client: try Fixture.authenticated(client), token: token,
            in: rows.state)
    }

    private func code(_ decision: RefreshTokenGrant.Decision) -> OAuthError.Code? {
        if case .reject(let error) = decision { return error.code }
        return nil
    }

    /// The scope and the audience never grow, and none is named where nothing was left out.
    @Test(
        arguments: [
            ("", nil, nil), ("scope=a", ["a"], nil), ("scope=b+a", nil, nil),
            ("scope=a+b", nil, nil), ("scope=a+a", ["a"], nil), ("scope=", nil, nil),
            ("resource=https://s", nil, ["https://s"]),
            ("resource=https://s&resource=https://r", nil, nil),
            ("scope=b&resource=https://r&resource=https://r", ["b"], ["https://r"]),
        ] as [(String, [String]?, [String]?)])
    func narrows(form: String, scope: [String]?, audience: [String]?) throws {
        guard case .rotate(let grant) = try decide(form) else {
            Issue.record("refused")
            return
        }
        #expect(grant.scope?.tokens == scope)
        #expect(grant.audience == audience)
        #expect(grant.token == Fixture.refreshToken())
        #expect(grant.grant == Fixture.grant())
    }

    @Test(
        arguments: [
            ("scope=c", .invalidScope), ("scope=a+c", .invalidScope),
            ("scope=offline_access", .invalidScope), ("scope=A", .invalidScope),
            ("scope=%22", .invalidScope), ("resource=https://t", .invalidTarget),
            ("resource=https://r&resource=https://t", .invalidTarget),
            ("resource=https://r/", .invalidTarget),
        ] as [(String, OAuthError.Code)])
    func neverGrows(form: String, expected: OAuthError.Code) throws {
        #expect(code(try decide(form)) == expected)
    }

    @Test func onlyForClientsThatAreRegisteredForIt() throws {
        #expect(
            code(try decide(client: Fixture.app(grants: [.authorizationCode])))
                == .unauthorizedClient)
        #expect(code(try decide(client: Fixture.app(isPublic: true))) == nil)
        #expect(code(try decide(client: Fixture.app(2))) == .invalidGrant)
    }

    enum End: CaseIterable, Sendable {
        case noToken, noGrant, ended, expired, retired, clientDisabled, clientEnded, clientMissing
        case sessionEnded, sessionExpired, sessionMissing, userDisabled, userEnded, userMissing

        func apply(to rows: inout Fixture.Rows) {
            switch self {
            case .noToken: break
            case .noGrant: rows.grant = nil
            case .ended: rows.grant = Fixture.grant(isRevoked: true)
            case .expired: rows.grant = Fixture.grant(expiresAt: 1_500)
            case .retired: rows.isSecretRetired = true
            case .clientDisabled:
                rows.client = .init(clientID: "client-1", epoch: 1, isDisabled: true)
            case .clientEnded:
                rows.client = .init(clientID: "client-1", epoch: 2, isDisabled: false)
            case .clientMissing: rows.client = nil
            case .sessionEnded: rows.session = Fixture.session(isRevoked: true)
            case .sessionExpired: rows.session = Fixture.session(expiresAt: 1_500)
            case .sessionMissing: rows.session = nil
            case .userDisabled:
                rows.user = .init(
                    id: Fixture.user.id, username: "ada", epoch: 3, isDisabled: true)
            case .userEnded:
                rows.user = .init(
                    id: Fixture.user.id, username: "ada", epoch: 4, isDisabled: false)
            case .userMissing: rows.user = nil
            }
        }
    }

    /// Every end is refused, in the same words: who presents a dead token learns nothing.
    @Test(arguments: End.allCases)
    func whatHasEnded(end: End) throws {
        var rows = Fixture.Rows()
        end.apply(to: &rows)
        guard
            case .reject(let error) = try decide(
                token: end == .noToken ? nil : Fixture.refreshToken(), rows: rows)
        else {
            Issue.record("it was not refused")
            return
        }
        #expect(error.code == .invalidGrant)
        #expect(
            error.description == "the refresh token is unknown, expired, ended or used before")
        #expect(error.detail?.isEmpty == false)
    }

    /// A refresh token is dead from the second of its idle expiry on, at `/token` as at `/introspect`;
    /// an access token of the grant is not.
    @Test(arguments: [(1_501, true), (1_500, false), (1_499, false)] as [(Int64, Bool)])
    func whatWasIdleForTooLong(idleExpiresAt: Int64, isAlive: Bool) throws {
        var rows = Fixture.Rows()
        rows.grant = Fixture.grant(idleExpiresAt: idleExpiresAt)
        #expect(code(try decide(rows: rows)) == (isAlive ? nil : .invalidGrant))
        let death: Liveness.CauseOfDeath? = isAlive ? nil : .grantIdle
        #expect(Liveness.deathOfRefreshing(in: rows.state) == death)
        if case .dead(let cause) = Liveness.of(Fixture.refreshToken(), in: rows.state) {
            #expect(cause == death)
        } else {
            #expect(isAlive)
        }
        _ = try Fixture.live(Fixture.grantToken(), in: rows)
    }

    /// Which generation is the present one is the row's to say, in the statement that changes it.
    @Test(arguments: [1, 4, 5, 6, .max] as [Int64])
    func theRowHasTheLastWord(generation: Int64) throws {
        #expect(code(try decide(token: Fixture.refreshToken(generation))) == nil)
    }

    @Test func offlineAccessNeedsNoLogin() throws {
        var rows = Fixture.Rows()
        rows.grant = Fixture.grant(isOffline: true)
        rows.session = nil
        #expect(code(try decide(rows: rows)) == nil)
        rows.user = .init(id: Fixture.user.id, username: "ada", epoch: 4, isDisabled: false)
        #expect(code(try decide(rows: rows)) == .invalidGrant)
    }

    /// Another client learns of a token neither that it exists nor what it may do.
    @Test func whoseItIsComesFirst() throws {
        for form in ["scope=nonsense", "resource=https://t", ""] {
            guard case .reject(let error) = try decide(form, client: Fixture.app(2)) else {
                Issue.record("it was not refused")
                continue
            }
            #expect(error == RefreshTokenGrant.refusal("another client's token"))
        }
    }
}
