import OAuth
import Storage
import TestSupport
import Testing

/// Two by two: something ends while something that rests on what was read before is written. When
/// both have returned, nothing that hangs on what ended is alive, in whatever order they came.
@Suite struct RaceTests {
    enum End: CaseIterable, Sendable {
        case user, disabledUser, password, deletedUser, session, client, disabledClient
        case deletedClient, grant, everything

        /// What it kills.
        func ends(_ making: Making) -> Bool {
            switch self {
            case .user, .disabledUser, .password, .deletedUser, .everything: true
            case .session: making != .begin
            case .client, .disabledClient, .deletedClient: making != .begin && making != .renew
            case .grant: making == .rotate
            }
        }
    }

    enum Making: CaseIterable, Sendable { case begin, renew, use, issue, redeem, rotate }

    enum Order: CaseIterable, Sendable { case endFirst, endLast, together, togetherReversed }

    /// Whose logins a round is about; each round has a household of its own.
    private struct Household: Sendable {
        let name: String
        let client: Client
        let cookie: SessionCookie
        let login: SessionUser
        let user: CompletedLogin
        let grant: Identifier
        let code: AuthorizationCode
    }

    private func household(_ fixture: StoreFixture, _ number: Int) async throws -> Household {
        let name = "user-\(number)"
        try await fixture.user(name)
        let client = try await fixture.app("app-\(number)")
        let cookie = try await fixture.login(name)
        let login = try await fixture.sessionUser(cookie)
        return Household(
            name: name, client: client, cookie: cookie, login: login,
            user: try await fixture.verified(name), grant: try await fixture.grant(client, cookie),
            code: try await fixture.code(client, login))
    }

    private func perform(_ end: End, _ household: Household, _ store: Store) async throws {
        let user = UserReference(household.name)
        let client = household.client.clientID
        let cause = StoreFixture.cause
        switch end {
        case .user: _ = try await store.endUser(user, because: cause)
        case .disabledUser: _ = try await store.endUser(user, disabling: true, because: cause)
        case .password:
            _ = try await store.endUser(user, password: StoreFixture.hash(), because: cause)
        case .deletedUser: _ = try await store.deleteUser(user, because: cause)
        case .session: _ = try await store.revokeSession(household.cookie.session, because: cause)
        case .client: _ = try await store.endClient(client, disabling: false, because: cause)
        case .disabledClient: _ = try await store.endClient(client, disabling: true, because: cause)
        case .deletedClient: _ = try await store.deleteClient(client, because: cause)
        case .grant: _ = try await store.revokeGrant(household.grant, because: cause)
        case .everything: _ = try await store.endEverything(because: cause)
        }
    }

    /// What was disabled is enabled, and what was deleted is made again: it must revive nothing.
    private func undo(_ end: End, _ household: Household, _ fixture: StoreFixture) async throws {
        let cause = StoreFixture.cause
        switch end {
        case .disabledUser:
            _ = try await fixture.store.enableUser(UserReference(household.name), because: cause)
        case .deletedUser: try await fixture.user(household.name)
        case .disabledClient:
            _ = try await fixture.store.enableClient(household.client.clientID, because: cause)
        case .deletedClient: _ = try await fixture.app(household.client.clientID)
        default: break
        }
    }

    /// Does something that rests on what was read before, and returns what tells whether it lives.
    private func make(
        _ making: Making, _ household: Household, _ fixture: StoreFixture
    ) async throws -> @Sendable () async throws -> Bool {
        let store = fixture.store
        switch making {
        case .begin:
            let cookie = StoreFixture.cookie()
            _ = try await store.beginSession(
                cookie, of: household.user, from: StoreFixture.origin,
                lasting: StoreFixture.lifetime)
            return { try await fixture.isAlive(cookie) }
        case .renew:
            let cookie = StoreFixture.cookie(household.cookie.session)
            _ = try await store.renewSession(
                cookie, replacing: household.cookie, of: household.user,
                from: StoreFixture.origin, lasting: StoreFixture.lifetime)
            return {
                let isNewAlive = try await fixture.isAlive(cookie)
                let isOldAlive = try await fixture.isAlive(household.cookie)
                return isNewAlive || isOldAlive
            }
        case .use:
            try await store.useSession(household.cookie.session, from: nil, idleSeconds: 1_000)
            return {
                let isAlive = try await fixture.death(of: household.grant) == nil
                return isAlive
            }
        case .issue:
            let code = try await fixture.code(household.client, household.login)
            return { try await fixture.death(of: code) == nil }
        case .redeem:
            let issue = StoreFixture.grantIssue()
            // Where the login has ended, there is nothing to redeem for.
            guard try await store.redeem(household.code, for: issue) else { return { false } }
            return { try await fixture.death(of: issue.id) == nil }
        case .rotate:
            guard
                case .issue(let token, _) = try await store.rotate(
                    StoreFixture.rotation(household.grant))
            else { return { try await fixture.death(of: household.grant) == nil } }
            return {
                let isRefreshAlive = try await fixture.death(of: .refresh(token)) == nil
                let isAccessAlive = try await fixture.death(of: household.grant) == nil
                return isRefreshAlive || isAccessAlive
            }
        }
    }

    @Test(arguments: End.allCases)
    func nothingSurvives(end: End) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            try await fixture.withOtherStore { other in
                var number = 0
                for making in Making.allCases where end.ends(making) {
                    for order in Order.allCases {
                        number += 1
                        let household = try await household(fixture, number)
                        let isAlive: @Sendable () async throws -> Bool
                        switch order {
                        case .endFirst:
                            try await perform(end, household, other)
                            isAlive = try await make(making, household, fixture)
                        case .endLast:
                            isAlive = try await make(making, household, fixture)
                            let wasAlive = try await isAlive()
                            #expect(wasAlive, "\(making) before \(end)")
                            try await perform(end, household, other)
                        case .together:
                            async let ended: Void = perform(end, household, other)
                            isAlive = try await make(making, household, fixture)
                            try await ended
                        case .togetherReversed:
                            async let made = make(making, household, fixture)
                            try await perform(end, household, other)
                            isAlive = try await made
                        }
                        let lives = try await isAlive()
                        #expect(!lives, "\(making), \(order)")
                        try await undo(end, household, fixture)
                        let livesAgain = try await isAlive()
                        #expect(!livesAgain, "\(making), \(order), undone")
                    }
                }
            }
        }
    }

    /// Two ends at once both hold, and both are in the log.
    @Test func twoEnds() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let ends: [End] = [.user, .disabledUser, .password, .session, .client, .grant]
            try await fixture.withOtherStore { other in
                var number = 0
                for first in ends {
                    for second in ends {
                        number += 1
                        let household = try await household(fixture, number)
                        let before = try await fixture.log().count
                        async let one: Void = perform(first, household, fixture.store)
                        async let two: Void = perform(second, household, other)
                        _ = try await (one, two)
                        let death = try await fixture.death(of: household.grant)
                        #expect(death != nil, "\(first) and \(second)")
                        let code = try await fixture.death(of: household.code)
                        let endsCode = first != .grant || second != .grant
                        #expect((code != nil) == endsCode, "\(first) and \(second)")
                        let logged = try await fixture.log().count
                        #expect(logged == before + 2, "\(first) and \(second)")
                    }
                }
            }
        }
    }

    /// Fifty refreshes and an end at once: whatever they were answered, nothing of it lives.
    @Test(arguments: [End.user, .session, .client, .grant])
    func aBurstOfRefreshes(end: End) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            try await fixture.withOtherStore { other in
                for number in 0..<3 {
                    let household = try await household(fixture, number)
                    let tokens = try await withThrowingTaskGroup(of: RefreshToken?.self) { group in
                        for index in 0..<50 {
                            let store = index % 2 == 0 ? fixture.store : other
                            group.addTask {
                                let verdict = try await store.rotate(
                                    StoreFixture.rotation(household.grant))
                                if case .issue(let token, _) = verdict { return token }
                                #expect(verdict == .over)
                                return nil
                            }
                            if index == 20 {
                                group.addTask {
                                    try await perform(end, household, other)
                                    return nil
                                }
                            }
                        }
                        return try await group.reduce(into: Set<RefreshToken>()) { set, token in
                            if let token { set.insert(token) }
                        }
                    }
                    #expect(tokens.count <= 1)
                    for token in tokens {
                        let death = try await fixture.death(of: .refresh(token))
                        #expect(death != nil)
                    }
                    let death = try await fixture.death(of: household.grant)
                    #expect(death != nil)
                }
            }
        }
    }
}
