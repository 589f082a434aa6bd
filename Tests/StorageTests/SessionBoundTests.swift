import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// How many logins a person has at once, and which one ends where one is too many.
@Suite struct SessionBoundTests {
    private static let most = Limits.sessionsPerUser
    /// How long a login rested that another one ends: what was noted of a use may be older than it.
    private static let rest =
        Limits.sessionRestSeconds
        + SessionState.precisionSeconds(idleSeconds: StoreFixture.lifetime.idleSeconds)

    private static let living = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL"
    private static let reason = "session true too many logins of one person doornail"

    /// As many logins as may be, the first one used least recently, a second apart.
    private func fill(
        _ fixture: StoreFixture, _ number: Int = most
    ) async throws -> [SessionCookie] {
        let user = try await fixture.user()
        let cookies = (0..<number).map { _ in StoreFixture.cookie() }
        let rows = cookies.enumerated().map { index, cookie in
            let hash = cookie.secretHash.map { byte in
                (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }.joined()
            return
                "('\(cookie.session)', '\(user)', (SELECT epoch FROM users), '\\x\(hash)', '{pwd}', "
                + "now() - \(number - index) * interval '1 s', now() + '1 hour', now() + '1 hour')"
        }
        try await fixture.sql(
            """
            INSERT INTO sessions (
                id, user_id, user_epoch, secret_hash, amr, last_seen_at, idle_expires_at,
                expires_at)
            VALUES \(rows.joined(separator: ","))
            """)
        return cookies
    }

    private func rest(
        _ cookies: some Sequence<SessionCookie>, for seconds: Int64, _ fixture: StoreFixture
    ) async throws {
        for cookie in cookies {
            try await fixture.sql(
                "UPDATE sessions SET last_seen_at = last_seen_at - interval '\(seconds) seconds' "
                    + "WHERE id = '\(cookie.session)'")
        }
    }

    private func begin(
        _ fixture: StoreFixture, _ cookie: SessionCookie = StoreFixture.cookie(),
        on store: Store? = nil
    ) async throws -> SessionBeginning {
        try await (store ?? fixture.store).beginSession(
            cookie, of: fixture.verified(), from: StoreFixture.origin,
            lasting: StoreFixture.lifetime)
    }

    @Test func theLeastRecentlyUsedEnds() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let cookies = try await fill(fixture, Self.most - 1)
            let grant = try await fixture.grant(fixture.app(), cookies[0])
            // Two have rested, and one is enough.
            try await rest(cookies.prefix(2), for: Self.rest, fixture)
            #expect(try await begin(fixture) == .begun)
            #expect(try await fixture.log().isEmpty, "there was room for this one")
            let new = StoreFixture.cookie()
            #expect(try await begin(fixture, new) == .begun)
            #expect(try await fixture.verdict(on: cookies[0]) == .ended)
            #expect(try await fixture.death(of: grant) == .sessionEnded)
            for cookie in [cookies[1], new] { #expect(try await fixture.isAlive(cookie)) }
            #expect(try await fixture.value(Self.living) == "\(Self.most)")
            #expect(try await fixture.log() == [Self.reason])
            #expect(
                try await fixture.value("SELECT subject FROM revocations")
                    == cookies[0].session.description)
            // Sent again after a lost reply, it is the same login, and ends nothing more.
            #expect(try await begin(fixture, new) == .begun)
            #expect(try await fixture.log() == [Self.reason])
        }
    }

    /// None that may have been used within a day: then there is no room, and nothing changes.
    @Test func noneThatIsInUse() async throws {
        try await StoreFixture.with { fixture in
            let cookies = try await fill(fixture)
            try await rest(cookies.prefix(1), for: Self.rest - 60 - Int64(Self.most), fixture)
            let new = StoreFixture.cookie()
            for _ in 0..<2 {
                #expect(try await begin(fixture, new) == .full(oldest: cookies[0].session))
            }
            #expect(try await fixture.verdict(on: new) == .unknown)
            #expect(try await fixture.value(Self.living) == "\(Self.most)")
            #expect(try await fixture.log().isEmpty)
            // The same person logs in again where a login is, and others are not concerned.
            #expect(try await fixture.renew(StoreFixture.cookie(cookies[5].session)))
            try await fixture.user("bob")
            _ = try await fixture.login("bob")
            // Whoever ends one has room for one.
            _ = try await fixture.store.revokeSession(
                cookies[9].session, because: StoreFixture.cause)
            #expect(try await begin(fixture, new) == .begun)
            #expect(try await begin(fixture) == .full(oldest: cookies[0].session))
        }
    }

    enum Dead: CaseIterable, Sendable {
        case revoked, idle, expired, oldEpoch
    }

    /// What is not alive takes no room.
    @Test(arguments: Dead.allCases) func theDeadTakeNoRoom(dead: Dead) async throws {
        try await StoreFixture.with { fixture in
            let cookies = try await fill(fixture)
            switch dead {
            case .revoked:
                _ = try await fixture.store.revokeSession(
                    cookies[7].session, because: StoreFixture.cause)
            case .idle:
                try await fixture.sql(
                    "UPDATE sessions SET idle_expires_at = now() "
                        + "WHERE id = '\(cookies[7].session)'")
            case .expired:
                try await fixture.sql(
                    "UPDATE sessions SET expires_at = now() WHERE id = '\(cookies[7].session)'")
            case .oldEpoch: try await fixture.end("ada")
            }
            let log = try await fixture.log()
            #expect(try await begin(fixture) == .begun)
            let next: SessionBeginning =
                dead == .oldEpoch ? .begun : .full(oldest: cookies[0].session)
            #expect(try await begin(fixture) == next)
            #expect(try await fixture.log() == log)
        }
    }

    /// Of many that begin at once, at two nodes, as many as there is room for.
    @Test(arguments: [0, 5]) func manyAtOnce(rested: Int) async throws {
        try await StoreFixture.with { fixture in
            let room = 10
            let cookies = try await fill(fixture, Self.most - room)
            try await rest(cookies.prefix(rested), for: Self.rest, fixture)
            try await fixture.withOtherStore { other in
                let began = try await withThrowingTaskGroup(of: Bool.self) { group in
                    for index in 0..<50 {
                        let store = index % 2 == 0 ? fixture.store : other
                        group.addTask { try await begin(fixture, on: store) == .begun }
                    }
                    return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                }
                #expect(began == room + rested)
            }
            #expect(try await fixture.value(Self.living) == "\(Self.most)")
            #expect(try await fixture.log() == Array(repeating: Self.reason, count: rested))
            for cookie in cookies.prefix(rested) {
                #expect(try await fixture.verdict(on: cookie) == .ended)
            }
        }
    }

    /// Who has more than may be, from before there was a bound, logs in as ever, and has fewer each time.
    @Test func moreThanMayBe() async throws {
        try await StoreFixture.with { fixture in
            let cookies = try await fill(fixture, Self.most)
            try await fixture.unguarded(
                "sessions",
                sql: """
                    INSERT INTO sessions (id, user_id, user_epoch, secret_hash, amr, idle_expires_at,
                                          expires_at, revoked_at)
                    SELECT gen_random_uuid(),
                           CASE WHEN n % 2 = 0 THEN gen_random_uuid() ELSE user_id END,
                           user_epoch, secret_hash, amr, idle_expires_at, expires_at,
                           CASE WHEN n % 2 = 1 THEN now() END
                    FROM (SELECT * FROM sessions LIMIT 1) AS s, generate_series(1, 20000) AS n
                    """)
            try await fixture.sql(
                """
                ANALYZE sessions; SET enable_seqscan = off; BEGIN;
                SELECT set_config('doornail.most_logins', '100', true),
                       set_config('doornail.rest_seconds', '1', true);
                INSERT INTO sessions (id, user_id, user_epoch, secret_hash, amr, idle_expires_at,
                                      expires_at)
                SELECT '\(StoreFixture.identifier())', id, epoch, sha256('x'), '{pwd}',
                       now() + interval '1 day', now() + interval '1 day' FROM users
                """)
            #expect(
                try await fixture.value(
                    "SELECT seq_scan || ' ' || (seq_tup_read + idx_tup_fetch < 20) "
                        + "FROM pg_stat_xact_user_tables WHERE relname = 'sessions'") == "0 true")
            try await fixture.sql("ROLLBACK")
        }
    }
}
