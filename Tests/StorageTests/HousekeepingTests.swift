import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// What is over goes by itself, and nothing else does.
@Suite struct HousekeepingTests {
    /// What is kept and what goes of a table, by its rows' ages: (column, kept, gone).
    struct Table: Sendable {
        let name: String
        let column: String
        let kept: String
        let gone: String
    }

    static let tables = [
        Table(
            name: "authorization_codes", column: "expires_at", kept: "23 hours", gone: "25 hours"),
        Table(name: "sessions", column: "expires_at", kept: "23 hours", gone: "25 hours"),
        Table(name: "sessions", column: "revoked_at", kept: "23 hours", gone: "25 hours"),
        Table(name: "grants", column: "expires_at", kept: "23 hours", gone: "25 hours"),
        Table(name: "grants", column: "revoked_at", kept: "23 hours", gone: "25 hours"),
    ]

    private func insert(
        _ table: String, _ count: Int, _ fixture: StoreFixture
    ) async throws {
        let columns: String
        let values: String
        switch table {
        case "authorization_codes":
            columns =
                "scope, audiences, redirect_uri, redirect_uri_sent, code_challenge, "
                + "client, client_epoch, session, expires_at"
            values =
                "'{}', '{}', 'x', true, sha256('x'), gen_random_uuid(), 1, "
                + "gen_random_uuid(), now() + interval '1 minute'"
        case "sessions":
            columns = "secret_hash, amr, idle_expires_at, expires_at"
            values = "sha256('x'), '{pwd}', now() + interval '1 day', now() + interval '1 day'"
        default:
            columns =
                "client, client_epoch, session, is_offline, scope, audiences, key_id, "
                + "idle_expires_at, expires_at"
            values =
                "gen_random_uuid(), 1, gen_random_uuid(), false, '{}', '{}', 1, "
                + "now() + interval '1 day', now() + interval '1 day'"
        }
        try await fixture.unguarded(
            table,
            sql: """
                INSERT INTO \(table) (id, user_id, user_epoch, \(columns))
                SELECT gen_random_uuid(), gen_random_uuid(), 1, \(values)
                FROM generate_series(1, \(count))
                """)
    }

    @Test(arguments: tables.indices)
    func removesWhatIsOver(index: Int) async throws {
        let table = Self.tables[index]
        try await StoreFixture.with { fixture in
            for (age, count) in [(nil, 3), (table.kept, 4), (table.gone, 1_203)] as [(String?, Int)]
            {
                try await fixture.sql("CREATE TABLE seen AS SELECT id FROM \(table.name)")
                try await insert(table.name, count, fixture)
                if let age {
                    try await fixture.sql(
                        "UPDATE \(table.name) SET \(table.column) = now() - interval '\(age)' "
                            + "WHERE id NOT IN (SELECT id FROM seen)")
                }
                try await fixture.sql("DROP TABLE seen")
            }
            // Ending them by hand was logged; removing them is not.
            let logged = try await fixture.log().count
            let removed = try await fixture.tidy()
            for (name, rows) in removed {
                #expect(rows == (name == table.name ? 1_203 : 0), "\(name)")
            }
            #expect(try await fixture.value("SELECT count(*) FROM \(table.name)") == "7")
            #expect(try await fixture.log().count == logged)
            let again = try await fixture.tidy()
            #expect(again.allSatisfy { $0.rows == 0 })
        }
    }

    /// What lives goes on living, whatever is swept; what is idle is kept until it expires.
    @Test func whatLivesStays() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, grant) = try await fixture.household()
            let offline = try await fixture.grant(client, cookie, isOffline: true)
            let code = try await fixture.code(client, fixture.sessionUser(cookie))
            for _ in 0..<2 {
                let removed = try await fixture.tidy()
                #expect(removed.allSatisfy { $0.rows == 0 })
            }
            #expect(try await fixture.isAlive(cookie))
            #expect(try await fixture.death(of: grant) == nil)
            #expect(try await fixture.death(of: offline) == nil)
            #expect(try await fixture.death(of: code) == nil)
            try await fixture.sql(
                "UPDATE grants SET idle_expires_at = now() - interval '30 days';"
                    + "UPDATE sessions SET idle_expires_at = now() - interval '30 days'")
            let removed = try await fixture.tidy()
            #expect(removed.allSatisfy { $0.rows == 0 })
            #expect(try await fixture.verdict(on: cookie) == .ended)
            // Its tokens were issued to live: an idle expiry limits refreshing alone.
            #expect(try await fixture.death(of: offline) == nil)
        }
    }

    /// What was deleted is remembered until its id is too old to be put back.
    @Test func whatWasDeletedIsForgotten() async throws {
        try await StoreFixture.with { fixture in
            _ = try await fixture.household()
            try await fixture.sql("DELETE FROM grants; DELETE FROM sessions; DELETE FROM users")
            #expect(try await fixture.value("SELECT count(*) FROM deleted_ids") == "3")
            #expect(try await fixture.tidy().allSatisfy { $0.rows == 0 })
            try await fixture.sql(
                "INSERT INTO deleted_ids (id) VALUES ('00000000-0000-7000-8000-000000000000')")
            #expect(try await fixture.tidy().reduce(0) { $0 + $1.rows } == 1)
            #expect(try await fixture.value("SELECT count(*) FROM deleted_ids") == "3")
        }
    }

    /// The statement cannot call what the trigger goes by.
    @Test func whatIsForgottenIsRefusedByItsId() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.sql(
                """
                INSERT INTO deleted_ids (id) SELECT first_new_id();
                INSERT INTO deleted_ids (id)
                SELECT (lpad(to_hex(('x' || left(replace(first_new_id()::text, '-', ''), 12))
                    ::bit(48)::bigint - 1), 12, '0') || 'ffffffffffffffffffff')::uuid
                """)
            #expect(try await fixture.tidy().reduce(0) { $0 + $1.rows } == 1)
            #expect(
                try await fixture.value("SELECT id = first_new_id() FROM deleted_ids") == "true")
        }
    }

    /// A redeemed code is known as long as its replay ends something.
    @Test func aRedeemedCodeIsRemembered() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, _) = try await fixture.household()
            let code = try await fixture.code(client, fixture.sessionUser(cookie))
            #expect(try await fixture.store.redeem(code, for: StoreFixture.grantIssue()))
            // Redeemed in its last second, ten minutes ago.
            try await fixture.sql(
                "UPDATE authorization_codes SET expires_at = now() - interval '599 s', "
                    + "redeemed_at = now() - interval '600 s' WHERE id = '\(code.id)'")
            let removed = try await fixture.tidy()
            #expect(removed.allSatisfy { $0.rows == 0 })
            #expect(try await fixture.store.code(code).code?.redemption != nil)
        }
    }
}

/// What makes a row go is no clock's word alone (docs/promise.md).
@Suite struct PurgeHorizonTests {
    private func horizon(_ fixture: StoreFixture) async throws -> Double {
        try await Double(
            fixture.value(
                "SELECT extract(epoch FROM clock_timestamp() - at) FROM purge_horizon")) ?? 0
    }

    private static let day = 86_400.0

    /// It goes as far as the boot clock ran since it was read, whatever is asked of it.
    @Test func reach() {
        var horizon = PurgeHorizon()
        let now = ContinuousClock.now
        #expect(horizon.reach(at: now) == nil)
        horizon.read(PostgresTime(microseconds: 5_000_000), at: now)
        #expect(horizon.reach(at: now) == PostgresTime(microseconds: 5_000_000))
        #expect(
            horizon.reach(at: now + .milliseconds(1500)) == PostgresTime(microseconds: 6_500_000))
        horizon.read(.distantFuture, at: now)
        #expect(horizon.reach(at: now + .seconds(1)) == .distantFuture)
    }

    /// A new one is a day behind; each reading carries it on by the time that passed, no further than
    /// a day behind the clock.
    @Test func advances() async throws {
        try await StoreFixture.with { fixture in
            #expect(try await abs(horizon(fixture) - Self.day) < 60)
            try await fixture.unguarded(
                "purge_horizon", sql: "UPDATE purge_horizon SET at = at - interval '30 days'")
            var carried = PurgeHorizon()
            let before = ContinuousClock.now
            _ = try await fixture.store.tidy(&carried)
            let lag = try await horizon(fixture)
            #expect(lag >= 31 * Self.day)
            try await Task.sleep(for: .milliseconds(200))
            _ = try await fixture.store.tidy(&carried)
            let went = try await fixture.value("SELECT at FROM purge_horizon")
            let ran = (ContinuousClock.now - before) / .seconds(1)
            #expect(try await horizon(fixture) >= 31 * Self.day - 1, "\(went)")
            // It went on by what passed between the two, and by no more.
            #expect(try await horizon(fixture) - lag <= ran - 0.1)
            try await fixture.unguarded(
                "purge_horizon",
                sql: "UPDATE purge_horizon SET at = clock_timestamp() - interval '23 hours'")
            _ = try await fixture.store.tidy(&carried)
            // One that is ahead stays where it is.
            #expect(try await abs(horizon(fixture) - Self.day + 3600) < 60)
        }
    }

    /// A token's end stays while either the token or the end itself lies after the horizon; it says
    /// by itself when it was written, and is never made to go sooner.
    @Test func anEndStays() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let client = try await fixture.client()
            let token = try await fixture.token(of: client)
            // A row that was put there beforehand, with an expiry and a time that are not true.
            try await fixture.sql(
                "INSERT INTO revoked_tokens (id, client, expires_at, revoked_at, reason, actor) "
                    + "VALUES ('\(token.id)', '\(client.id)', '-infinity', '-infinity', 'x', 'x')")
            _ = try await fixture.end(token)
            #expect(try await fixture.tidy().allSatisfy { $0.rows == 0 })
            await #expect(throws: PostgresError.self) {
                try await fixture.sql("DELETE FROM revoked_tokens")
            }
            #expect(
                try await fixture.value(
                    "SELECT expires_at > now() AND revoked_at > now() - interval '1 minute' "
                        + "FROM revoked_tokens") == "true")
            #expect(try await !fixture.isAlive(token))
        }
    }

    /// Time is never judged to be before the horizon, whatever the clock shows.
    @Test func timeDoesNotGoBackBehindIt() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.unguarded(
                "purge_horizon", sql: "UPDATE purge_horizon SET at = now() + interval '1 hour'")
            let now = try await fixture.store.ping()
            #expect(
                try await fixture.value(
                    "SELECT at >= to_timestamp(\(now.seconds)) "
                        + "AND at < to_timestamp(\(now.seconds + 1)) FROM purge_horizon") == "true")
        }
    }
}

/// An attempt is counted before the password is examined, and taken back if it was right.
@Suite struct TakeBackTests {
    private func counts(_ fixture: StoreFixture) async throws -> [String] {
        try await fixture.column("SELECT failures FROM throttles ORDER BY key")
    }

    @Test func takesBackOne() async throws {
        try await StoreFixture.with { fixture in
            let store = fixture.store
            let name = Throttle.accountName(hash: [1])
            let address = Throttle.loginAddress(network: "127.0.0.1")
            for _ in 0..<3 {
                for throttle in [name, address] {
                    #expect(try await store.countFailure([throttle]) == nil)
                }
            }
            #expect(try await counts(fixture) == ["3", "3"])
            try await store.takeBack([name, address])
            #expect(try await counts(fixture) == ["2", "2"])
            try await store.takeBack([name])
            try await store.takeBack([name])
            #expect(try await Set(counts(fixture)) == ["0", "2"])
            // Never below nothing, and nothing that is not there.
            try await store.takeBack([name, Throttle.accountName(hash: [2])])
            try await store.takeBack([])
            #expect(try await Set(counts(fixture)) == ["0", "2"])
        }
    }

    /// A right password leaves no trace, however many arrive at once, and hides no wrong one.
    @Test func manyAtOnce() async throws {
        try await StoreFixture.with { fixture in
            let name = Throttle.accountName(hash: [1])
            let address = Throttle.loginAddress(network: "127.0.0.1")
            try await fixture.withOtherStore { other in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<15 {
                        let store = index % 2 == 0 ? fixture.store : other
                        group.addTask {
                            _ = try await store.countFailure([name])
                            _ = try await store.countFailure([address])
                            guard index % 3 != 0 else { return }
                            try await store.takeBack(
                                index % 2 == 0 ? [name, address] : [address, name])
                        }
                    }
                    try await group.waitForAll()
                }
            }
            #expect(try await counts(fixture) == ["5", "5"])
        }
    }

    /// Where one counter is full, nothing is written, and the others count nothing.
    @Test func whatIsRefusedCountsNowhere() async throws {
        try await StoreFixture.with { fixture in
            let name = Throttle.accountName(hash: [1])
            let address = Throttle.loginAddress(network: "127.0.0.1")
            for _ in 0..<Limits.passwordFailures {
                #expect(try await fixture.store.countFailure([name]) == nil)
            }
            let before = try await fixture.column("SELECT xmin || ' ' || failures FROM throttles")
            for _ in 0..<3 {
                let refusal = try await fixture.store.countFailure([address, name])
                #expect(refusal?.code == .tooManyRequests)
            }
            #expect(
                try await fixture.column("SELECT xmin || ' ' || failures FROM throttles") == before)
            // A window that is over stops nobody.
            try await fixture.sql("UPDATE throttles SET window_ends_at = now()")
            #expect(try await fixture.store.countFailure([address, name]) == nil)
            #expect(try await counts(fixture) == ["1", "1"])
        }
    }

    /// Of many at once as many are borne as the limit says, and the others count nowhere.
    @Test func theLimitAtOnce() async throws {
        try await StoreFixture.with { fixture in
            let name = Throttle.accountName(hash: [1])
            let address = Throttle.loginAddress(network: "127.0.0.1")
            try await fixture.withOtherStore { other in
                let borne = try await withThrowingTaskGroup(of: Bool.self) { group in
                    for index in 0..<60 {
                        let store = index % 2 == 0 ? fixture.store : other
                        group.addTask { try await store.countFailure([address, name]) == nil }
                    }
                    return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                }
                #expect(borne == Limits.passwordFailures)
            }
            let most = "\(Limits.passwordFailures)"
            #expect(try await counts(fixture) == [most, most])
            // All taken back at once, they leave nothing.
            let both = Array(repeating: [name, address], count: Limits.passwordFailures)
            try await fixture.store.takeBack(both.flatMap { $0 })
            #expect(try await counts(fixture) == ["0", "0"])
        }
    }

    /// A window that is over owes nothing.
    @Test func aWindowThatIsOver() async throws {
        try await StoreFixture.with { fixture in
            let name = Throttle.accountName(hash: [1])
            for _ in 0..<3 { _ = try await fixture.store.countFailure([name]) }
            try await fixture.sql("UPDATE throttles SET window_ends_at = now() - interval '1 s'")
            try await fixture.store.takeBack([name])
            #expect(try await counts(fixture) == ["3"])
            #expect(try await fixture.store.countFailure([name]) == nil)
            #expect(try await counts(fixture) == ["1"])
        }
    }

    /// A window that a clock began which was ahead locks nobody out for as long as it was ahead.
    @Test func aWindowOfAWrongClock() async throws {
        try await StoreFixture.with { fixture in
            let name = Throttle.accountName(hash: [1])
            for _ in 0..<Limits.passwordFailures {
                _ = try await fixture.store.countFailure([name])
            }
            #expect(try await fixture.store.countFailure([name]) != nil)
            try await fixture.sql(
                "UPDATE throttles SET window_ends_at = now() + interval '1 year'")
            #expect(try await fixture.store.countFailure([name]) == nil)
            #expect(try await counts(fixture) == ["1"])
            #expect(
                try await fixture.value(
                    "SELECT window_ends_at < now() + interval '1 hour' FROM throttles") == "true")
        }
    }

    /// The limit holds for what was not taken back.
    @Test func theLimit() async throws {
        try await StoreFixture.with { fixture in
            let device = Throttle.device(StoreFixture.identifier())
            let store = fixture.store
            for _ in 0..<40 {
                #expect(try await store.countFailure([device]) == nil)
                try await store.takeBack([device])
            }
            for _ in 0..<Limits.passwordFailures {
                #expect(try await store.countFailure([device]) == nil)
            }
            let refusal = try await store.countFailure([device])
            #expect(refusal?.code == .tooManyRequests)
            #expect((890...900).contains(refusal?.retryAfterSeconds ?? 0))
        }
    }
}
