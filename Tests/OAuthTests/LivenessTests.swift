import OAuth
import Testing

/// The one choke point: every cause of death against everything that hangs on something.
@Suite struct LivenessTests {
    /// What may be alive; `offline` ones were granted `offline_access`.
    enum Thing: CaseIterable, Sendable {
        case own, access, offlineAccess, refresh, offlineRefresh, code, offlineCode, login

        var isOffline: Bool {
            switch self {
            case .offlineAccess, .offlineRefresh, .offlineCode: true
            default: false
            }
        }
    }

    enum Cause: CaseIterable, Sendable {
        case tokenRevoked, secretRetired, expired
        case clientMissing, clientDisabled, clientEnded, clientRolledBack
        case grantMissing, grantEnded, grantExpired, grantIdle, rotated, stateLost
        case sessionMissing, sessionEnded, sessionExpired, sessionIdle
        case userMissing, userDisabled, userEnded, userRolledBack
        /// The session was begun under an epoch that is over, or the grant was.
        case sessionOfOldEpoch, grantOfOldEpoch
        case anothersSession
    }

    private static let ofGrant: Set<Thing> = [.access, .offlineAccess, .refresh, .offlineRefresh]
    private static let ofClient = ofGrant.union([.own, .code, .offlineCode])
    private static let ofUser = ofGrant.union([.code, .offlineCode, .login])
    private static let ofSession: Set<Thing> = [.access, .refresh, .code, .offlineCode, .login]
    private static let refreshes: Set<Thing> = [.refresh, .offlineRefresh]

    /// What each cause kills, and under which name.
    static let table: [Cause: (death: Liveness.CauseOfDeath, kills: Set<Thing>)] = [
        .tokenRevoked: (.tokenRevoked, [.own, .access, .offlineAccess]),
        .secretRetired: (.secretRetired, ofClient),
        .expired: (.expired, [.own, .access, .offlineAccess, .code, .offlineCode]),
        .clientMissing: (.clientMissing, ofClient),
        .clientDisabled: (.clientDisabled, ofClient),
        .clientEnded: (.clientEnded, ofClient),
        .clientRolledBack: (.clientEnded, ofClient),
        .grantMissing: (.grantMissing, ofGrant),
        .grantEnded: (.grantEnded, ofGrant),
        .grantExpired: (.grantExpired, ofGrant),
        .grantIdle: (.grantIdle, refreshes),
        .rotated: (.rotated, refreshes),
        .stateLost: (.stateLost, refreshes),
        .sessionMissing: (.sessionMissing, ofSession),
        .sessionEnded: (.sessionEnded, ofSession),
        .sessionExpired: (.sessionExpired, ofSession),
        .sessionIdle: (.sessionExpired, ofSession),
        .userMissing: (.userMissing, ofUser),
        .userDisabled: (.userDisabled, ofUser),
        .userEnded: (.userEnded, ofUser),
        .userRolledBack: (.userEnded, ofUser),
        .sessionOfOldEpoch: (.userEnded, ofSession),
        .grantOfOldEpoch: (.userEnded, [.offlineAccess, .offlineRefresh, .offlineCode]),
        .anothersSession: (.userMissing, ofSession),
    ]

    /// Why a thing is dead with the rows as these causes leave them; nil where it is alive.
    private func death(of thing: Thing, by causes: Set<Cause>) -> Liveness.CauseOfDeath? {
        let now: Int64 = 1_500
        func past(_ cause: Cause, _ otherwise: Int64) -> Int64 {
            causes.contains(cause) ? now : otherwise
        }
        let session = Fixture.session(
            user: causes.contains(.anothersSession) ? Fixture.identifier(21) : Fixture.user.id,
            userEpoch: causes.contains(.sessionOfOldEpoch) ? 1 : 3,
            idleExpiresAt: past(.sessionIdle, 3_000), expiresAt: past(.sessionExpired, 4_000),
            isRevoked: causes.contains(.sessionEnded))
        let grant = Fixture.grant(
            userEpoch: causes.contains(.grantOfOldEpoch) ? 1 : 3, isOffline: thing.isOffline,
            generation: 5, idleExpiresAt: past(.grantIdle, 5_000),
            expiresAt: past(.grantExpired, 6_000), isRevoked: causes.contains(.grantEnded))
        let epochs: (Cause, Cause, Int64) -> Int64 = { ended, rolledBack, epoch in
            causes.contains(ended) ? epoch + 1 : causes.contains(rolledBack) ? epoch - 1 : epoch
        }
        let user = Liveness.UserState(
            id: Fixture.user.id, username: "ada", epoch: epochs(.userEnded, .userRolledBack, 3),
            isDisabled: causes.contains(.userDisabled))
        let client = Liveness.ClientState(
            clientID: "client-1", epoch: epochs(.clientEnded, .clientRolledBack, 1),
            isDisabled: causes.contains(.clientDisabled))
        let state = Liveness.State(
            readAt: UnixTime(seconds: now), isTokenRevoked: causes.contains(.tokenRevoked),
            isSecretRetired: causes.contains(.secretRetired),
            client: causes.contains(.clientMissing) ? nil : client,
            grant: causes.contains(.grantMissing) ? nil : grant,
            session: causes.contains(.sessionMissing) ? nil : session,
            user: causes.contains(.userMissing) ? nil : user)
        let verdict: Liveness
        switch thing {
        case .own:
            verdict = .of(Fixture.token(expiresAt: past(.expired, 2_000)), in: state)
        case .access, .offlineAccess:
            let token = Token.access(Fixture.grantToken(expiresAt: past(.expired, 2_000)))
            verdict = .of(token, in: state)
        case .refresh, .offlineRefresh:
            let generation: Int64 =
                causes.contains(.rotated) ? 4 : causes.contains(.stateLost) ? 6 : 5
            verdict = .of(.refresh(Fixture.refreshToken(generation)), in: state)
        case .code, .offlineCode:
            let code = CodeState(
                client: Fixture.identifier(1), clientEpoch: 1,
                userEpoch: causes.contains(.grantOfOldEpoch) ? 1 : 3, session: session.id,
                scope: Scope(stored: thing.isOffline ? ["offline_access"] : ["a"]), audience: [],
                redirectURI: "https://app.example/cb", isRedirectURISent: true,
                challenge: CodeChallenge(hash: []),
                expiresAt: UnixTime(seconds: past(.expired, 1_560)), redemption: nil)
            return Liveness.deathOfCode(code, in: state)
        case .login:
            return Liveness.deathOfSession(
                state.session, user: state.user, at: UnixTime(seconds: now))
        }
        if case .dead(let cause) = verdict { return cause }
        return nil
    }

    @Test(arguments: Thing.allCases)
    func isAliveWhereNothingEnded(thing: Thing) {
        #expect(death(of: thing, by: []) == nil)
    }

    @Test(arguments: Thing.allCases, Cause.allCases)
    func everyCauseAlone(thing: Thing, cause: Cause) throws {
        let row = try #require(Self.table[cause])
        #expect(death(of: thing, by: [cause]) == (row.kills.contains(thing) ? row.death : nil))
    }

    /// No cause masks another: with one that kills, whatever else happened, it is dead.
    @Test(arguments: Thing.allCases)
    func everyPair(thing: Thing) throws {
        for first in Cause.allCases {
            for second in Cause.allCases {
                let rows = [try #require(Self.table[first]), try #require(Self.table[second])]
                let deaths = rows.filter { $0.kills.contains(thing) }.map(\.death)
                let found = death(of: thing, by: [first, second])
                if deaths.isEmpty {
                    #expect(found == nil, "\(first) and \(second)")
                } else {
                    #expect(found.map(deaths.contains) == true, "\(first) and \(second)")
                }
            }
        }
    }

    /// The table names every cause that something can die of, but for a forged token, which has
    /// no rows.
    @Test func noCauseIsLeftOut() {
        let named = Set(Self.table.values.map(\.death))
        #expect(named == Set(Liveness.CauseOfDeath.allCases).subtracting([.forged]))
        #expect(Self.table.count == Cause.allCases.count)
    }

    /// Everything is dead from the second of its expiry on.
    @Test(
        arguments: [
            (.own, 2_000), (.access, 2_000), (.offlineAccess, 2_000), (.refresh, 3_000),
            (.offlineRefresh, 5_000), (.login, 3_000),
        ] as [(Thing, Int64)])
    func theLastSecond(thing: Thing, end: Int64) {
        for (now, isAlive) in [(end - 1, true), (end, false), (end + 1, false)] {
            var rows = Fixture.Rows(now: now)
            rows.grant = Fixture.grant(isOffline: thing.isOffline)
            let verdict: Liveness? =
                switch thing {
                case .own: .of(Fixture.token(), in: rows.state)
                case .access, .offlineAccess: .of(Fixture.grantToken(), in: rows.state)
                case .refresh, .offlineRefresh: .of(Fixture.refreshToken(), in: rows.state)
                default: nil
                }
            if case .alive? = verdict {
                #expect(isAlive)
            } else if verdict != nil {
                #expect(!isAlive)
            } else {
                let death = Liveness.deathOfSession(
                    rows.session, user: rows.user, at: UnixTime(seconds: now))
                #expect((death == nil) == isAlive)
            }
        }
    }

    /// What a living token says comes from itself where it differs from its grant.
    @Test(
        arguments: [
            (nil, nil, ["a", "b"], ["https://r", "https://s"]),
            (["a"], nil, ["a"], ["https://r", "https://s"]),
            (nil, ["https://r"], ["a", "b"], ["https://r"]),
            ([], [], [], []),
        ] as [([String]?, [String]?, [String], [String])])
    func saysWhatItMay(
        scope: [String]?, audience: [String]?, expectedScope: [String],
        expectedAudience: [String]
    ) throws {
        let live = try Fixture.live(Fixture.grantToken(scope: scope, audience: audience))
        #expect(live.scope.tokens == expectedScope)
        #expect(live.audience == expectedAudience)
        #expect(live.subject == Fixture.user.id.description)
        #expect(live.clientID == "client-1")
        #expect(try Fixture.live(Fixture.token()).subject == "client-1")
    }

    /// A refresh token says when it ends: at the earliest of the expiries of its grant and, where it
    /// hangs on it, its login.
    @Test(
        arguments: [
            (true, 5_000, 6_000, 5_000), (true, 6_000, 5_000, 5_000), (false, 2_500, 6_000, 2_500),
            (false, 6_000, 2_600, 2_600), (false, 6_000, 5_000, 3_000),
        ] as [(Bool, Int64, Int64, Int64)])
    func aRefreshTokenEndsWithTheEarliest(
        isOffline: Bool, idle: Int64, end: Int64, expected: Int64
    ) throws {
        var rows = Fixture.Rows()
        rows.grant = Fixture.grant(isOffline: isOffline, idleExpiresAt: idle, expiresAt: end)
        guard case .alive(let live) = Liveness.of(Fixture.refreshToken(), in: rows.state) else {
            throw Fixture.Dead()
        }
        #expect(live.expiresAt == UnixTime(seconds: expected))
        #expect(live.issuedAt == UnixTime(seconds: 1_100))
    }
}
