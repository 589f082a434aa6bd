import Foundation
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct SchemaTests {
    /// The binary carries exactly what lies in migrations/.
    @Test func migrationsAreTheFolder() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "migrations")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".sql") }.sorted()
        #expect(files == Migrations.all.map { $0.name + ".sql" })
        for migration in Migrations.all {
            let text = try String(
                contentsOf: folder.appending(path: migration.name + ".sql"), encoding: .utf8)
            #expect(text == migration.sql)
        }
        #expect(Migrations.all.map(\.version) == Array(1...Migrations.all.count))
    }

    /// Each statement's types in Swift are those that the database gives it.
    @Test func statementsFitTheDatabase() async throws {
        try await StoreFixture.with { fixture in
            let connection = try await PostgresConnection.open(
                url: fixture.url, applicationName: "tests", statements: Statements.all,
                deadline: .now + .seconds(10))
            #expect(Set(Statements.all.map(\.name)).count == Statements.all.count)
            for statement in Statements.all {
                let (parameters, columns) = try await connection.describe(statement.name)
                #expect(parameters == statement.parameterTypes, "\(statement.name)")
                #expect(columns == statement.columnTypes, "\(statement.name)")
            }
            await connection.close()
        }
    }

    /// What every request runs reads its rows by their keys, however large the tables are. Where many
    /// go together, also however small they were when the plan was made: it is kept while they grow
    /// (docs/decisions/0017-plans-by-key.md).
    @Test(arguments: [1, 20_000]) func hotStatementsNeverScanATable(rows: Int) async throws {
        try await StoreFixture.with { fixture in
            // Without triggers: thousands of ends would be logged one by one.
            try await fixture.unguarded(
                "clients", "users", "sessions", "grants", "authorization_codes", "revoked_tokens",
                "revocations",
                sql: """
                    INSERT INTO clients (id, client_id, name, auth_method, secret_hash, grant_types)
                    SELECT gen_random_uuid(), 'client-' || n, 'x', 'any', sha256('x'), '{}'
                    FROM generate_series(1, \(rows)) AS n;
                    INSERT INTO revoked_tokens (id, client, expires_at, reason, actor)
                    SELECT gen_random_uuid(), gen_random_uuid(), now() + '1 hour', 'x', 'x'
                    FROM generate_series(1, \(rows));
                    INSERT INTO users (id, username, username_key, password_hash)
                    SELECT gen_random_uuid(), 'user-' || n, 'user-' || n, '$scrypt$'
                    FROM generate_series(1, \(rows)) AS n;
                    INSERT INTO sessions (
                        id, user_id, user_epoch, secret_hash, amr, idle_expires_at, expires_at)
                    SELECT gen_random_uuid(), gen_random_uuid(), 1, sha256('x'), '{pwd}',
                           now() + '1 day', now() + '1 day'
                    FROM generate_series(1, \(rows));
                    INSERT INTO grants (
                        id, client, client_epoch, user_id, user_epoch, session, is_offline, scope,
                        audiences, key_id, idle_expires_at, expires_at)
                    SELECT gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), 1,
                           gen_random_uuid(), false, '{}', '{}', 1, now() + '1 day', now() + '1 day'
                    FROM generate_series(1, \(rows));
                    INSERT INTO authorization_codes (
                        id, client, client_epoch, user_id, user_epoch, session, scope, audiences,
                        redirect_uri, redirect_uri_sent, code_challenge, expires_at)
                    SELECT gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), 1,
                           gen_random_uuid(), '{}', '{}', 'x', true, sha256('x'), now() + '1 day'
                    FROM generate_series(1, \(rows));
                    INSERT INTO revocations (number, kind, subject, is_end, reason, actor)
                    SELECT n, 'grant', gen_random_uuid(), true, 'x', 'x'
                    FROM generate_series(1, \(rows)) AS n;
                    INSERT INTO consents (user_id, client, scope)
                    SELECT gen_random_uuid(), gen_random_uuid(), '{}' FROM generate_series(1, \(rows));
                    INSERT INTO throttles (key, failures, window_ends_at)
                    SELECT sha256(n::text::bytea), 1, now() + '1 day'
                    FROM generate_series(1, \(rows)) AS n;
                    """)
            try await fixture.sql(
                "ANALYZE clients, revoked_tokens, secrets, users, sessions, grants, "
                    + "authorization_codes, consents, revocations, throttles")
            try await fixture.sql("SET plan_cache_mode = force_generic_plan")
            let id = "'00000000-0000-0000-0000-000000000000'"
            let hot = [
                "tokens_liveness": "'{}', '{}', '{}', '{}'", "clients_find": "'{}'",
                "access_tokens_revoke": "'{}', '{}', '{}', '{}', '{}'",
                "grants_rotate": "'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'",
                "grants_revoke": "'{}', '{}', '{}'", "throttles_count": "'{}', '{}', '{}', '{}'",
                "sessions_find": "\(id), \(id)", "sessions_use": "\(id), 1, '', '', ''",
                "accounts_devices": "\(id), \(id), \(id), 101",
                "accounts_apps": "\(id), \(id), \(id), 100", "users_find": "''",
                "authorization_codes_find": "\(id), 1",
                "authorization_codes_redeem": "\(id), \(id), false, 1, 1, 1, 9",
                "nodes_poll": "\(id), 20000, \(id), 1, 1, NULL, 2000", "nodes_list": "",
            ]
            // They ask for one thing at a time, of tables that grow with logins alone.
            let single: Set = [
                "sessions_find", "accounts_devices", "accounts_apps", "authorization_codes_find",
                "authorization_codes_redeem",
            ]
            let due = rows == 1 ? hot.filter { !single.contains($0.key) } : hot
            var examined = 0
            // Those that tidy run once in a while, with a plan for as many rows as they take.
            let tidying = Statements.all.filter {
                rows > 1 && $0.name.hasPrefix("housekeeping_")
                    // It looks for where the log has to begin.
                    && $0.name != "housekeeping_revocations"
            }
            #expect(rows == 1 || tidying.count == 8)
            for statement in Statements.all.filter({ due[$0.name] != nil }) + tidying {
                let arguments = due[statement.name] ?? "1000"
                if due[statement.name] == nil { try await fixture.sql("RESET plan_cache_mode") }
                try await fixture.sql("PREPARE \(statement.name) AS \(statement.sql)")
                let plan = try await fixture.connection.execute(
                    Statement<StoreFixture.TextRow>(
                        "explain",
                        "EXPLAIN EXECUTE \(statement.name)"
                            + (arguments.isEmpty ? "" : " (\(arguments))")),
                    deadline: .now + .seconds(10)
                ).map(\.text)
                examined += 1
                for (line, next) in zip(plan, plan.dropFirst() + [""]) {
                    // Tables of a handful of rows: there are at most 255 secrets, and one clock.
                    let isSmall = ["secrets", "nodes", "revocation_clock", "purge_horizon"].contains
                    {
                        line.contains(" on \($0)")
                    }
                    let isScan =
                        line.contains("Seq Scan on")
                        // A whole index is a whole table.
                        || line.contains("Index") && line.contains("Scan using")
                            && !next.contains("Index Cond:")
                    #expect(isSmall || !isScan, "\(statement.name): \(line)")
                }
            }
            #expect(examined == due.count + tidying.count)
        }
    }

    /// Batches of whatever size have one plan: to make one costs more than to look a token up.
    @Test func batchesAreNotPlannedAnew() async throws {
        try await StoreFixture.with { fixture in
            let (client, id) = (UUID().uuidString, UUID().uuidString)
            try await fixture.sql(
                """
                INSERT INTO clients (id, client_id, name, auth_method, secret_hash, grant_types)
                VALUES ('\(client)', 'photos', 'x', 'any', sha256('x'), '{}')
                """)
            let arguments = [
                "tokens_liveness": "'{\(id)}', '{\(client)}', '{\(id)}', '{1}'",
                "clients_find": "'{photos}'",
                "access_tokens_revoke": "'{\(id)}', '{\(client)}', '{now}', '{x}', '{x}'",
                "grants_rotate": "'{\(id)}', '{1}', '{1}', '{9}', '{9}', '{true}', '{9}', '{9}'",
                "grants_revoke": "'{\(id)}', '{x}', '{x}'",
                "throttles_count": "'{abc}', '{1}', '{9}', '{9}'",
            ]
            for statement in Statements.all {
                guard let arguments = arguments[statement.name] else { continue }
                try await fixture.sql("PREPARE \(statement.name) AS \(statement.sql)")
                for _ in 0..<20 {
                    try await fixture.sql("EXECUTE \(statement.name) (\(arguments))")
                }
            }
            let plans = try await fixture.connection.execute(
                Statement<StoreFixture.TextRow>(
                    "plans",
                    """
                    SELECT name || ' ' || custom_plans FROM pg_prepared_statements
                    WHERE name = ANY ('{\(arguments.keys.joined(separator: ","))}')
                    """),
                deadline: .now + .seconds(10)
            ).map(\.text)
            // PostgreSQL compares the first five with the one that is kept.
            #expect(plans.sorted() == arguments.keys.map { "\($0) 5" }.sorted())
        }
    }
}
