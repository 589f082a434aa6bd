import OAuth
import Testing

@Suite struct IntrospectionTests {
    @Test(
        arguments: [
            (1, .own, [], [], true), (2, .own, ["https://a"], ["https://a"], false),
            (2, .audience, ["https://a"], ["https://a"], true),
            (2, .audience, ["https://b"], ["https://a"], false),
            (2, .audience, [], ["client-2"], true), (2, .audience, ["https://a"], [], false),
            (2, .any, [], [], true), (1, .audience, [], [], true),
            (2, .own, [], ["client-2"], false), (2, .audience, ["https://A"], ["https://a"], false),
            (2, .audience, ["https://a/"], ["https://a"], false),
            (2, .audience, ["https://b", "https://a"], ["https://c", "https://a"], true),
        ] as [(UInt64, ClientRegistration.Introspects, [String], [String], Bool)])
    func tells(
        caller: UInt64, introspects: ClientRegistration.Introspects, audiences: [String],
        aud: [String],
        expected: Bool
    ) throws {
        let client = Fixture.client(caller, audiences: audiences, introspects: introspects)
        for token in [Fixture.token(audience: aud), Fixture.grantToken(audience: aud)] {
            #expect(
                Introspection.mayKnow(client, about: try Fixture.live(token), .access(token))
                    == expected)
        }
    }

    /// A refresh token is its own client's business, and of those who may know all.
    @Test(
        arguments: [
            (1, .own, true), (1, .audience, true), (1, .any, true), (2, .own, false),
            (2, .audience, false), (2, .any, true),
        ] as [(UInt64, ClientRegistration.Introspects, Bool)])
    func tellsAboutRefreshTokens(
        caller: UInt64, introspects: ClientRegistration.Introspects, expected: Bool
    ) throws {
        let client = Fixture.client(
            caller, audiences: ["https://r", "https://s"], introspects: introspects)
        let token = Fixture.refreshToken()
        guard case .alive(let live) = Liveness.of(token, in: Fixture.Rows().state) else {
            throw Fixture.Dead()
        }
        #expect(Introspection.mayKnow(client, about: live, .refresh(token)) == expected)
    }

    @Test func publicClientsMayNotAsk() {
        let error = #expect(throws: OAuthError.self) {
            try Introspection.requireMayAsk(Fixture.client(method: .none, secrets: []))
        }
        #expect(error?.code == .invalidClient)
    }

    @Test func answersAboutAClientsOwnToken() throws {
        #expect(Introspection.inactive == #"{"active":false}"#)
        let token = Fixture.token(audience: ["https://a"])
        #expect(
            text(
                .access(token), try Fixture.live(token), issuer: "https://i")
                == #"{"active":true,"token_type":"Bearer","token_use":"access_token","#
                + #""client_id":"client-1","sub":"client-1","scope":"a","iss":"https://i","#
                + #""aud":"https://a","exp":2000,"iat":1000,"nbf":1000,"#
                + #""jti":"00000000-0000-004d-ffff-ffffffffffb2"}"#)
        let plain = Fixture.token(scope: [], audience: ["a:b", "c:d"])
        #expect(
            text(.access(plain), try Fixture.live(plain), issuer: "i")
                .contains(#""iss":"i","aud":["a:b","c:d"],"#))
    }

    private func text(_ token: Token, _ live: LiveToken, issuer: String) -> String {
        String(decoding: Introspection.active(token, live, issuer: issuer), as: UTF8.self)
    }

    @Test func answersAboutSomebodysTokens() throws {
        let token = Fixture.grantToken(audience: ["https://r"])
        #expect(
            text(.access(token), try Fixture.live(token), issuer: "i")
                == #"{"active":true,"token_type":"Bearer","token_use":"access_token","#
                + #""client_id":"client-1","sub":"00000000-0000-0014-ffff-ffffffffffeb","#
                + #""username":"ada","scope":"a b","iss":"i","aud":"https://r","exp":2000,"#
                + #""iat":1200,"nbf":1200,"jti":"00000000-0000-004e-ffff-ffffffffffb1"}"#)
        let refresh = Fixture.refreshToken()
        guard case .alive(let live) = Liveness.of(refresh, in: Fixture.Rows().state) else {
            throw Fixture.Dead()
        }
        // No token type: it opens nothing at a resource server.
        #expect(
            text(.refresh(refresh), live, issuer: "i")
                == #"{"active":true,"token_use":"refresh_token","client_id":"client-1","#
                + #""sub":"00000000-0000-0014-ffff-ffffffffffeb","username":"ada","scope":"a b","#
                + #""iss":"i","aud":["https://r","https://s"],"exp":3000,"iat":1100}"#)
    }
}

@Suite struct RevocationTests {
    enum Sent: Sendable {
        case own, access, refresh, oldRefresh, nothing

        var token: Token? {
            switch self {
            case .own: .access(Fixture.token())
            case .access: .access(Fixture.grantToken())
            case .refresh: .refresh(Fixture.refreshToken())
            case .oldRefresh: .refresh(Fixture.refreshToken(1))
            case .nothing: nil
            }
        }
    }

    enum Outcome: Sendable {
        case endsToken, endsGrant, nothing, refused
    }

    /// (what was sent, whether its grant is there, who asks, what revoking ends for it, outcome)
    @Test(
        arguments: [
            (.own, false, 1, .token, .endsToken), (.own, false, 1, .grant, .endsToken),
            (.own, false, 2, .token, .refused),
            (.access, true, 1, .token, .endsToken), (.access, true, 1, .grant, .endsGrant),
            (.access, true, 2, .token, .refused), (.access, true, 2, .grant, .refused),
            (.access, false, 1, .token, .nothing), (.access, false, 2, .token, .nothing),
            (.refresh, true, 1, .token, .endsGrant), (.refresh, true, 1, .grant, .endsGrant),
            (.refresh, true, 2, .token, .refused), (.refresh, false, 1, .token, .nothing),
            (.refresh, false, 2, .token, .nothing),
            (.oldRefresh, true, 1, .token, .endsGrant), (.oldRefresh, true, 2, .token, .refused),
            (.nothing, false, 1, .token, .nothing), (.nothing, true, 2, .grant, .nothing),
        ] as [(Sent, Bool, UInt64, ClientRegistration.Revokes, Outcome)])
    func decides(
        sent: Sent, isGrantThere: Bool, caller: UInt64, revokes: ClientRegistration.Revokes,
        expected: Outcome
    ) throws {
        for isPublic in [false, true] {
            let client = try Fixture.authenticated(
                Fixture.app(caller, isPublic: isPublic, revokes: revokes))
            for isEnded in [false, true] {
                let grant = isGrantThere ? Fixture.grant(isRevoked: isEnded) : nil
                do {
                    let decision = try RevocationDecision.decide(
                        sent.token, grant: grant, by: client)
                    switch (expected, decision, sent.token) {
                    case (.nothing, .nothing, _): break
                    case (.endsGrant, .endGrant(let id), _): #expect(id == Fixture.identifier(40))
                    case (.endsToken, .endToken(let token, let owner), .access(let sent)?):
                        #expect(token == sent)
                        #expect(owner == Fixture.identifier(1))
                    default: Issue.record("\(decision), and not \(expected)")
                    }
                } catch {
                    #expect(expected == .refused)
                    #expect(error.code == .invalidGrant)
                }
            }
        }
    }

    /// A token is ended in earnest however long ago it expired: the clock that says so may be wrong.
    @Test(arguments: [1_500, 2_000, 5_601, 1_000_000_000] as [Int64])
    func aTokenIsEndedAtAnyTime(now: Int64) throws {
        let caller = try Fixture.authenticated(Fixture.app(), at: now)
        for token in [Fixture.token(), Fixture.grantToken()] {
            let decision = try RevocationDecision.decide(
                .access(token), grant: Fixture.grant(), by: caller)
            #expect(decision == .endToken(token, client: Fixture.identifier(1)))
        }
    }

    /// A grant is ended whenever that is asked: there is no time after which it is not.
    @Test(arguments: [1_500, 5_601, 1_000_000] as [Int64])
    func aGrantIsEndedAtAnyTime(now: Int64) throws {
        let caller = try Fixture.authenticated(Fixture.app(revokes: .grant), at: now)
        for token in [Token.access(Fixture.grantToken()), .refresh(Fixture.refreshToken())] {
            #expect(
                try RevocationDecision.decide(token, grant: Fixture.grant(), by: caller)
                    == .endGrant(Fixture.identifier(40)))
        }
    }
}
