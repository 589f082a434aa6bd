import Foundation
import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// What the tables refuse, whoever writes (docs/promise.md): nothing that ended comes back, and nothing
/// that revocations wait for is taken away.
@Suite struct GuardTests {
    private func refuses(
        _ fixture: StoreFixture, _ text: String, _ state: String = "23000",
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let error = await #expect(
            throws: PostgresError.self, "\(text)", sourceLocation: location
        ) {
            try await fixture.sql(text)
        }
        try await fixture.sql("ROLLBACK")
        guard case .refused(state, _, _)? = error else {
            Issue.record("\(text): \(String(describing: error))", sourceLocation: location)
            return
        }
    }

    /// An insert of another connection's that waits for a deletion under way.
    private func refuses(
        _ fixture: StoreFixture, _ insert: String, while deletion: String
    ) async throws {
        let other = try await PostgresConnection.open(
            url: fixture.url, applicationName: "other", statements: [],
            deadline: .now + .seconds(10))
        let pid = try await other.execute(
            Statement<StoreFixture.TextRow>("pid", "SELECT pg_backend_pid()::text"),
            deadline: .now + .seconds(10)
        ).map(\.text).joined()
        try await fixture.sql("BEGIN; \(deletion)")
        async let inserted: Void = other.script(insert, deadline: .now + .seconds(10))
        while try await fixture.value(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = \(pid)") == "0"
        {
            try await Task.sleep(for: .milliseconds(5))
        }
        try await fixture.sql("COMMIT")
        do {
            try await inserted
            Issue.record("\(insert): it was put back")
        } catch PostgresError.refused(let state, _, _) {
            #expect(state == "23000")
        }
        await other.close()
    }

    // MARK: Rows that are put back

    static let families = ["sessions", "grants", "authorization_codes"]

    /// A login, a grant and a code, saved as they were while they lived.
    private func saved(_ fixture: StoreFixture) async throws {
        let (client, cookie, _) = try await fixture.household()
        try await fixture.unguarded(
            "authorization_codes", sql: "DELETE FROM authorization_codes")
        _ = try await fixture.code(client, fixture.sessionUser(cookie))
        for table in Self.families + ["clients", "users"] {
            try await fixture.sql("CREATE TABLE saved_\(table) AS SELECT * FROM \(table)")
        }
    }

    /// However it was taken away, and whenever it is put back.
    @Test(arguments: families)
    func whatWasDeletedIsNotPutBack(table: String) async throws {
        try await StoreFixture.with { fixture in
            try await saved(fixture)
            let (delete, put) = (
                "DELETE FROM \(table)", "INSERT INTO \(table) SELECT * FROM saved_\(table)"
            )
            try await refuses(fixture, "BEGIN; \(delete); \(put); COMMIT")
            try await refuses(fixture, "BEGIN; TRUNCATE \(table); \(put); COMMIT")
            try await fixture.sql(delete)
            try await refuses(fixture, put)
            try await refuses(
                fixture, "BEGIN; SET LOCAL session_replication_role = replica; \(put); COMMIT")
            // Nor is what says so.
            try await refuses(fixture, "DELETE FROM deleted_ids")
            try await refuses(fixture, "TRUNCATE deleted_ids")
            try await refuses(fixture, "UPDATE deleted_ids SET id = gen_random_uuid()")
            #expect(try await fixture.value("SELECT count(*) FROM \(table)") == "0")
        }
    }

    @Test(arguments: families)
    func whatWasTruncatedIsNotPutBack(table: String) async throws {
        try await StoreFixture.with { fixture in
            try await saved(fixture)
            try await fixture.sql("TRUNCATE \(table)")
            try await refuses(fixture, "INSERT INTO \(table) SELECT * FROM saved_\(table)")
        }
    }

    /// An insert that waits for a deletion under way finds that it was deleted; a transaction with an
    /// older view of the database is refused before it could not find it.
    @Test(arguments: families)
    func noRaceBringsItBack(table: String) async throws {
        try await StoreFixture.with { fixture in
            try await saved(fixture)
            let put = "INSERT INTO \(table) SELECT * FROM saved_\(table)"
            try await refuses(fixture, put, while: "DELETE FROM \(table)")
            try await refuses(fixture, "BEGIN ISOLATION LEVEL REPEATABLE READ; \(put); COMMIT")
        }
    }

    /// The horizon may pass an id while its insert waits: what was deleted then needs no memory.
    @Test(arguments: families)
    func norDoesAHorizonThatPasses(table: String) async throws {
        try await StoreFixture.with { fixture in
            try await saved(fixture)
            let id = "01890a5d-ac96-774b-bcce-b302099a8057"
            try await fixture.sql("UPDATE saved_\(table) SET id = '\(id)'")
            try await fixture.unguarded(
                table, "purge_horizon",
                sql: "UPDATE \(table) SET id = '\(id)'; "
                    + "UPDATE purge_horizon SET at = '2020-01-01'")
            try await refuses(
                fixture, "INSERT INTO \(table) SELECT * FROM saved_\(table)",
                while: "UPDATE purge_horizon SET at = clock_timestamp() - interval '1 day'; "
                    + "DELETE FROM \(table)")
        }
    }

    /// Nor does what a statement runs for each row that it deletes; nor a truncation by a transaction
    /// whose view of the table is older.
    @Test(arguments: families)
    func norDoesTheStatementItself(table: String) async throws {
        try await StoreFixture.with { fixture in
            try await saved(fixture)
            try await fixture.sql(
                """
                CREATE FUNCTION back() RETURNS integer LANGUAGE plpgsql AS $$
                BEGIN INSERT INTO \(table) SELECT * FROM saved_\(table); RETURN 1; END $$
                """)
            try await refuses(fixture, "DELETE FROM \(table) RETURNING back()")
            try await refuses(
                fixture, "BEGIN ISOLATION LEVEL REPEATABLE READ; TRUNCATE \(table); COMMIT")
        }
    }

    /// A user that is put back brings no login along, whatever it says of who moved its epoch.
    @Test func aUserThatIsPutBackTakesNoLoginAlong() async throws {
        try await StoreFixture.with { fixture in
            try await saved(fixture)
            try await fixture.sql(
                "UPDATE users SET epoch = epoch + 1000000000000; "
                    + "DROP TABLE saved_users; CREATE TABLE saved_users AS SELECT * FROM users")
            try await fixture.unguarded(
                "sessions", sql: "UPDATE sessions SET user_epoch = (SELECT epoch FROM users)")
            try await refuses(
                fixture,
                """
                BEGIN; DELETE FROM users;
                UPDATE saved_users SET epoch_moved_by = pg_current_xact_id();
                INSERT INTO users SELECT * FROM saved_users;
                SELECT set_config('doornail.keeps', id::text, true) FROM sessions;
                UPDATE sessions SET user_epoch = user_epoch + 1; COMMIT
                """)
        }
    }

    /// What was made before the horizon is refused by its id alone, which it cannot get past by time.
    @Test(arguments: families)
    func oldIdsAreRefused(table: String) async throws {
        try await StoreFixture.with { fixture in
            try await saved(fixture)
            try await fixture.unguarded(table, sql: "DELETE FROM \(table)")
            let old = "'01890a5d-ac96-774b-bcce-b302099a8057'"
            try await fixture.sql("UPDATE saved_\(table) SET id = \(old)")
            try await refuses(fixture, "INSERT INTO \(table) SELECT * FROM saved_\(table)")
        }
    }

    /// A client or a user that is put back, under whatever epoch, is beyond every epoch that it had.
    @Test(arguments: ["clients", "users"], [false, true])
    func epochsGoOn(table: String, truncates: Bool) async throws {
        try await StoreFixture.with { fixture in
            try await saved(fixture)
            // As if the clock had been set back since: the epoch is in the future.
            try await fixture.sql(
                "UPDATE \(table) SET epoch = epoch + 1000000000000; DROP TABLE saved_\(table); "
                    + "CREATE TABLE saved_\(table) AS SELECT * FROM \(table)")
            for _ in 0..<2 {
                let before = try await fixture.value("SELECT epoch FROM \(table)")
                try await fixture.sql(truncates ? "TRUNCATE \(table)" : "DELETE FROM \(table)")
                try await fixture.sql("INSERT INTO \(table) SELECT * FROM saved_\(table)")
                #expect(
                    try await fixture.value("SELECT epoch > \(before) FROM \(table)") == "true")
            }
            try await refuses(fixture, "UPDATE \(table) SET epoch = 9223372036854775807")
        }
    }

    // MARK: Nodes

    @Test func rowsOfNodesAreTheirOwn() async throws {
        try await StoreFixture.with { fixture in
            let (mine, other) = (StoreFixture.identifier(), StoreFixture.identifier())
            for id in [mine, other] {
                try await fixture.sql(
                    "INSERT INTO nodes (id, key_ids, version, names_itself) "
                        + "VALUES ('\(id)', '{}', 'x', true)")
            }
            func named(_ id: Identifier, _ text: String, reason: String = "a test") -> String {
                "BEGIN; SELECT set_config('doornail.node', '\(id)', true), "
                    + "set_config('doornail.reason', '\(reason)', true); \(text); COMMIT"
            }
            let one = "WHERE id = '\(mine)'"
            for refused in [
                "DELETE FROM nodes", "DELETE FROM nodes \(one)", "TRUNCATE nodes",
                "UPDATE nodes SET lease_ms = 1", "UPDATE nodes SET renewed_at = now()",
                "UPDATE nodes SET applied = 0", "UPDATE nodes SET names_itself = false",
                "UPDATE nodes SET id = gen_random_uuid() \(one)",
                named(mine, "DELETE FROM nodes"), named(other, "DELETE FROM nodes \(one)"),
                named(mine, "DELETE FROM nodes \(one)", reason: ""),
                named(mine, "UPDATE nodes SET applied = 1 \(one)"),
                named(mine, "UPDATE nodes SET lease_ms = 1 \(one)"),
                named(mine, "UPDATE nodes SET lease_ms = 60000 \(one)"),
                named(mine, "UPDATE nodes SET names_itself = false \(one)"),
                named(mine, "TRUNCATE nodes"),
            ] {
                try await refuses(fixture, refused)
            }
            try await refuses(
                fixture,
                "INSERT INTO nodes (id, key_ids, version, lease_ms) "
                    + "VALUES (gen_random_uuid(), '{}', 'x', 60001)", "23514")
            #expect(try await fixture.value("SELECT count(*) FROM nodes") == "2")
            try await fixture.sql(named(mine, "UPDATE nodes SET renewed_at = now() \(one)"))
            try await fixture.sql(named(mine, "DELETE FROM nodes \(one)"))
            #expect(try await fixture.value("SELECT count(*) FROM nodes") == "1")
        }
    }

    /// During a rolling upgrade, nodes of the version before keep, change and remove their rows as they
    /// always did; nobody removes several, and nothing says that it applied what is not there.
    @Test func rowsOfOlderNodes() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.sql(
                "INSERT INTO nodes (id, key_ids, version) "
                    + "SELECT gen_random_uuid(), '{}', 'old' FROM generate_series(1, 3)")
            for refused in [
                "DELETE FROM nodes", "TRUNCATE nodes", "UPDATE nodes SET lease_ms = 1",
                "UPDATE nodes SET applied = 1",
            ] {
                try await refuses(fixture, refused)
            }
            try await fixture.sql("UPDATE nodes SET renewed_at = now(), applied = 0")
            let one = "(SELECT id FROM nodes LIMIT 1)"
            try await fixture.sql("DELETE FROM nodes WHERE id = \(one)")
            try await fixture.sql(
                "WITH gone AS (DELETE FROM nodes WHERE id = \(one)) "
                    + "INSERT INTO nodes (id, key_ids, version) "
                    + "VALUES (gen_random_uuid(), '{}', 'old')")
            #expect(try await fixture.value("SELECT count(*) FROM nodes") == "2")
        }
    }

    // MARK: The rest

    @Test func otherRowsKeepWhatTheySay() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let client = try await fixture.client()
            _ = try await fixture.end(fixture.token(of: client))
            try await fixture.sql(
                "INSERT INTO signing_keys (kid, algorithm, public_jwk, withdrawn_at) "
                    + "VALUES ('a', 'RS256', '{}', now())")
            for refused in [
                "UPDATE revoked_tokens SET revoked_at = '-infinity'",
                "UPDATE purge_horizon SET at = now()", "UPDATE purge_horizon SET at = 'infinity'",
                "UPDATE purge_horizon SET at = at - interval '1 s'", "DELETE FROM purge_horizon",
                "TRUNCATE purge_horizon", "UPDATE revocation_clock SET timeline = 99",
                "UPDATE revocation_clock SET timeline_since = '-infinity'",
                "UPDATE signing_keys SET withdrawn_at = NULL", "DELETE FROM signing_keys",
                "UPDATE signing_keys SET public_jwk = '{\"x\":1}'", "TRUNCATE signing_keys CASCADE",
            ] {
                try await refuses(fixture, refused)
            }
        }
    }

    /// No trigger is passed by where `session_replication_role` says so, and those that later
    /// migrations add are none.
    @Test func triggersAreAlwaysOn() async throws {
        try await StoreFixture.with { fixture in
            let passedBy = try await fixture.column(
                """
                SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger
                JOIN pg_class ON pg_class.oid = tgrelid
                WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal
                  AND tgenabled <> CASE tgname WHEN 'apply' THEN 'R' ELSE 'A' END::"char"
                """)
            #expect(passedBy == [])
            // Each table refuses to be fed by logical replication.
            let fed = try await fixture.column(
                """
                SELECT relname FROM pg_class
                WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
                  AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid
                                  AND tgname = 'apply')
                """)
            #expect(fed == [])
            let client = try await fixture.client()
            try await refuses(
                fixture,
                "BEGIN; SET LOCAL session_replication_role = replica; "
                    + "UPDATE clients SET epoch = epoch - 1 WHERE id = '\(client.id)'")
        }
    }

    /// Whoever may connect, and nothing else, can do nothing here.
    @Test func aRoleWithoutRights() async throws {
        try await StoreFixture.with { fixture in
            let role = "nobody_\(StoreFixture.identifier())".replacing("-", with: "_")
            try await fixture.sql("CREATE ROLE \(role)")
            let may = try await fixture.column(
                """
                SELECT 'function ' || oid::regprocedure FROM pg_proc
                WHERE pronamespace = current_schema()::regnamespace
                  AND has_function_privilege('\(role)', oid, 'EXECUTE')
                UNION ALL
                SELECT 'table ' || oid::regclass FROM pg_class
                WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v', 'm')
                  AND (has_table_privilege('\(role)', oid,
                           'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                       OR has_any_column_privilege('\(role)', oid,
                           'SELECT, INSERT, UPDATE, REFERENCES'))
                UNION ALL
                SELECT 'sequence ' || oid::regclass FROM pg_class
                WHERE relnamespace = current_schema()::regnamespace
                  AND CASE relkind WHEN 'S' THEN
                      has_sequence_privilege('\(role)', oid, 'USAGE, SELECT, UPDATE') END
                UNION ALL
                SELECT 'schema ' || nspname FROM pg_namespace
                WHERE nspname IN ('public', current_schema())
                  AND has_schema_privilege('\(role)', oid, 'CREATE')
                UNION ALL
                SELECT 'temporary tables'
                WHERE has_database_privilege('\(role)', current_database(), 'TEMPORARY')
                """)
            try await fixture.sql("DROP ROLE \(role)")
            #expect(may == [])
        }
    }

    /// A setting that is changed under an open connection is found by the next statement.
    @Test(arguments: ["off", "local", "remote_write"])
    func settingsAreReadWithEachCommit(level: String) async throws {
        try await StoreFixture.with { fixture in
            let store = Store(
                PostgresPool.Configuration(url: fixture.url, size: 1, applicationName: "tests"),
                logger: TestDatabase.logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await store.run() }
                _ = try await store.ping()
                func set(_ level: String) -> Statement<StoreFixture.TextRow> {
                    Statement(
                        "set", "SELECT set_config('synchronous_commit', '\(level)', false)")
                }
                _ = try await store.pool.execute(set(level), deadline: .now + .seconds(10))
                let error = await #expect(throws: StoreError.self) {
                    _ = try await store.endClient(
                        "app", disabling: false, because: StoreFixture.cause)
                }
                #expect(error?.kind == "unavailable")
                #expect(error?.description.contains("synchronous_commit is \(level)") == true)
                _ = try await store.pool.execute(
                    set("remote_apply"), deadline: .now + .seconds(10))
                _ = try await store.ping()
                group.cancelAll()
            }
        }
    }
}
