import Postgres
import TestSupport
import Testing

@Suite("The pool")
struct PoolTests {
    func backend(of pool: PostgresPool) async throws(PostgresError) -> Int32? {
        try await pool.execute(Sample.backend, deadline: .soon).first?.value
    }

    @Test func aConnectionIsUsedAgain() async throws {
        try await TestDatabase.with { database in
            try await database.withPool(size: 3, statements: Sample.all) { pool in
                let first = try await backend(of: pool)
                // The others open meanwhile; the last used one is used first.
                try await Task.sleep(for: .milliseconds(300))
                let second = try await backend(of: pool)
                for _ in 0..<5 { #expect(try await backend(of: pool) == second) }
                #expect(first != nil)
                #expect(pool.status.open == 3 && pool.status.idle == 3)
            }
        }
    }

    @Test func aStatementBeforeTheStartWaits() async throws {
        try await TestDatabase.with { database in
            let pool = PostgresPool(
                .init(url: database.url, size: 1, applicationName: "test"),
                statements: Sample.all, logger: TestDatabase.logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                async let rows = pool.execute(Sample.echo, "early", deadline: .soon)
                try await Task.sleep(for: .milliseconds(100))
                #expect(pool.status.waiting == 1)
                group.addTask { try await pool.run() }
                #expect(try await rows.map(\.value) == ["early"])
                group.cancelAll()
            }
            #expect(pool.status.open == 0)
            let error = await failure { () async throws(PostgresError) in
                try await pool.execute(Sample.echo, "late", deadline: .soon)
            }
            #expect(error?.isUnavailable == true)
        }
    }

    @Test func statementsUnderWayAreWaitedForAtTheEnd() async throws {
        try await TestDatabase.with { database in
            let pool = PostgresPool(
                .init(url: database.url, size: 1, applicationName: "test"),
                statements: Sample.all, logger: TestDatabase.logger)
            let run = Task { try await pool.run() }
            _ = try await backend(of: pool)
            async let rows = pool.execute(Sample.sleep, "0.3", deadline: .soon)
            try await Task.sleep(for: .milliseconds(100))
            run.cancel()
            try await run.value
            #expect(pool.status.open == 0)
            #expect(try await rows.map(\.value) == [true])
        }
    }

    @Test func exhaustionIsBoundedByTheDeadline() async throws {
        try await TestDatabase.with { database in
            try await database.withPool(size: 1, statements: Sample.all) { pool in
                _ = try await backend(of: pool)
                async let slow = pool.execute(Sample.sleep, "1", deadline: .soon)
                try await Task.sleep(for: .milliseconds(50))
                let start = ContinuousClock.now
                let errors = await withTaskGroup(of: PostgresError?.self) { group in
                    for _ in 0..<100 {
                        group.addTask {
                            await failure { () async throws(PostgresError) in
                                try await pool.execute(
                                    Sample.echo, "x", deadline: start + .milliseconds(200))
                            }
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(errors.count == 100)
                #expect(errors.allSatisfy { $0?.isUnavailable == true })
                #expect(ContinuousClock.now - start < .seconds(10))
                #expect(try await slow.map(\.value) == [true])
                #expect(try await pool.execute(Sample.echo, "x", deadline: .soon).count == 1)
            }
        }
    }

    @Test func waitersAreBoundedInNumber() async throws {
        try await TestDatabase.with { database in
            try await database.withPool(size: 1, maximumWaiters: 3, statements: Sample.all) {
                pool in
                _ = try await backend(of: pool)
                let outcomes = await withTaskGroup(of: PostgresError?.self) { group in
                    for _ in 0..<10 {
                        group.addTask {
                            do throws(PostgresError) {
                                _ = try await pool.execute(Sample.sleep, "0.2", deadline: .soon)
                                return nil
                            } catch {
                                return error
                            }
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(outcomes.filter { $0 == nil }.count == 4)
                #expect(outcomes.filter { $0?.isUnavailable == true }.count == 6)
            }
        }
    }

    /// Nothing was sent, so another connection can serve the request.
    @Test func terminatedIdleConnectionsCostNobodyAnything() async throws {
        try await TestDatabase.with { database in
            let other = try await database.connect()
            try await database.withPool(size: 4, statements: Sample.all) { pool in
                _ = try await backend(of: pool)
                for _ in 0..<5 {
                    try await other.script(
                        """
                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE application_name = '\(database.schema)' AND pid <> pg_backend_pid()
                        """, deadline: .soon)
                    try await Task.sleep(for: .milliseconds(50))
                    #expect(try await backend(of: pool) != nil)
                }
            }
        }
    }

    @Test func aDatabaseThatIsAwayAndBack() async throws {
        try await TestDatabase.with { database in
            let proxy = try TestProxy(to: database.url)
            defer { proxy.stop() }
            proxy.cut()
            try await database.withPool(url: proxy.url, size: 4, statements: Sample.all) { pool in
                let error = await failure { () async throws(PostgresError) in
                    try await pool.execute(
                        Sample.echo, "x", deadline: .now + .milliseconds(500))
                }
                #expect(error?.isUnavailable == true)
                #expect(pool.status.lastError != nil)
                proxy.heal()
                let start = ContinuousClock.now
                #expect(try await pool.execute(Sample.echo, "x", deadline: .soon).count == 1)
                #expect(ContinuousClock.now - start < .seconds(10))
                #expect(pool.status.lastError == nil)

                // In the middle of a statement.
                async let error2 = failure { () async throws(PostgresError) in
                    try await pool.execute(Sample.sleep, "30", deadline: .soon)
                }
                try await Task.sleep(for: .milliseconds(200))
                proxy.cut()
                #expect(await error2?.isOutcomeUnknown == true)
                proxy.heal()
                #expect(try await pool.execute(Sample.echo, "x", deadline: .soon).count == 1)
            }
        }
    }

    @Test func aNetworkThatHangs() async throws {
        try await TestDatabase.with { database in
            let proxy = try TestProxy(to: database.url)
            defer { proxy.stop() }
            try await database.withPool(
                url: proxy.url, size: 2, connectTimeout: .seconds(1), statements: Sample.all
            ) { pool in
                _ = try await backend(of: pool)
                proxy.freeze()
                let start = ContinuousClock.now
                let errors = await withTaskGroup(of: PostgresError?.self) { group in
                    for _ in 0..<20 {
                        group.addTask {
                            await failure { () async throws(PostgresError) in
                                try await pool.execute(
                                    Sample.echo, "x", deadline: start + .milliseconds(500))
                            }
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(ContinuousClock.now - start < .seconds(10))
                // Those that were sent are in doubt, the others are not.
                #expect(errors.filter { $0?.isOutcomeUnknown == true }.count <= 2)
                #expect(errors.filter { $0?.isUnavailable == true }.count >= 18)
                proxy.thaw()
                #expect(try await pool.execute(Sample.echo, "x", deadline: .soon).count == 1)
            }
        }
    }

    @Test func connectionsAreReplacedWhenTheyAreOld() async throws {
        try await TestDatabase.with { database in
            try await database.withPool(
                size: 1, maximumLifetime: .milliseconds(300), statements: Sample.all
            ) { pool in
                let first = try await backend(of: pool)
                #expect(try await backend(of: pool) == first)
                try await Task.sleep(for: .milliseconds(600))
                #expect(try await backend(of: pool) != first)
            }
        }
    }

    /// The loser of a deadlock was rolled back, so it is tried again.
    @Test func aDeadlockIsTriedAgain() async throws {
        try await TestDatabase.with { database in
            try await database.script(
                "CREATE TABLE t (id integer PRIMARY KEY, n integer); INSERT INTO t VALUES (1, 0), (2, 0)"
            )
            // Locks the rows in the order given, and takes its time between them.
            try await database.script(
                """
                CREATE FUNCTION lock_both(a integer, b integer) RETURNS boolean LANGUAGE plpgsql AS $$
                BEGIN
                    UPDATE t SET n = n + 1 WHERE id = a;
                    PERFORM pg_sleep(0.3);
                    UPDATE t SET n = n + 1 WHERE id = b;
                    RETURN true;
                END $$
                """)
            let both = Statement<One<Bool>, Int32, Int32>("both", "SELECT lock_both($1, $2)")
            let sum = Statement<One<Int64>>("sum", "SELECT sum(n) FROM t")
            try await database.withPool(size: 2, statements: [both, sum]) { pool in
                async let one = pool.execute(both, 1, 2, deadline: .soon)
                async let two = pool.execute(both, 2, 1, deadline: .soon)
                let done = try await (one + two).map(\.value)
                #expect(done == [true, true])
                let total = try await pool.execute(sum, deadline: .soon).map(\.value)
                #expect(total == [4])
            }
        }
    }

    /// A migration beside a running server changes what prepared statements return.
    @Test func aChangedSchemaGetsANewConnection() async throws {
        try await TestDatabase.with { database in
            try await database.script("CREATE TABLE t (n integer); INSERT INTO t VALUES (1)")
            let read = Statement<One<Int64>>("read", "SELECT n::bigint FROM (SELECT * FROM t) AS t")
            let all = Statement<One<Int64>>("all", "SELECT * FROM t")
            try await database.withPool(size: 1, statements: [read, all]) { pool in
                _ = try await pool.execute(read, deadline: .soon)
                try await database.script("ALTER TABLE t ALTER n TYPE bigint")
                #expect(try await pool.execute(all, deadline: .soon).map(\.value) == [1])
            }
        }
    }

    @Test func cancelledCallersLeakNothing() async throws {
        try await TestDatabase.with { database in
            try await database.withPool(size: 2, statements: Sample.all) { pool in
                _ = try await backend(of: pool)
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<200 {
                        group.addTask {
                            _ = try? await pool.execute(Sample.sleep, "0.002", deadline: .soon)
                        }
                    }
                    group.cancelAll()
                }
                try await Task.sleep(for: .milliseconds(100))
                #expect(pool.status.waiting == 0)
                #expect(pool.status.idle == pool.status.open)
                #expect(try await backend(of: pool) != nil)
            }
        }
    }

    @Test func aStatementWithoutItsTableIsReported() async throws {
        try await TestDatabase.with { database in
            let bad = Statement<One<Int32>>("bad_one", "SELECT n FROM nowhere")
            try await database.withPool(size: 1, statements: [bad]) { pool in
                let error = await failure { () async throws(PostgresError) in
                    try await pool.execute(bad, deadline: .now + .milliseconds(300))
                }
                #expect(error?.isUnavailable == true)
                let limit = ContinuousClock.Instant.soon
                while pool.status.lastError == nil, .now < limit {
                    try await Task.sleep(for: .milliseconds(5))
                }
                #expect(pool.status.lastError?.contains("bad_one") == true)
                // The migration comes later, and the pool gets over it.
                try await database.script("CREATE TABLE nowhere (n integer)")
                #expect(try await pool.execute(bad, deadline: .soon).isEmpty)
            }
        }
    }
}
