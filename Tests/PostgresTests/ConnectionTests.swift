@testable import Postgres
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("One connection")
struct ConnectionTests {
    @Test func aStatementThatDoesNotPrepareIsNamed() async throws {
        try await TestDatabase.with { database in
            let good = Statement<One<Int32>>("good", "SELECT 1")
            let bad = Statement<One<Int32>>("bad_one", "SELECT missing FROM nowhere")
            do {
                _ = try await database.connect(statements: [good, bad, good])
                Issue.record("it was prepared")
            } catch let error as PostgresError {
                #expect(error.refusedState == "42P01")
                #expect(error.description.contains("bad_one"))
            }
        }
    }

    @Test func aRefusalKeepsTheConnection() async throws {
        try await TestDatabase.with { database in
            try await database.script(
                "CREATE TABLE t (n integer CONSTRAINT positive CHECK (n > 0))")
            let insert = Statement<NoRow, Int32>("insert", "INSERT INTO t VALUES ($1)")
            let connection = try await database.connect(statements: [insert])
            let error = await failure { () async throws(PostgresError) in
                try await connection.execute(insert, 0, deadline: .soon)
            }
            guard case .refused("23514", _, "positive") = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            let rows = try await connection.execute(insert, 1, deadline: .soon)
            #expect(rows.isEmpty)
        }
    }

    /// The rows of a statement arrive before its commit, which may still fail.
    @Test func aFailureAtTheCommitIsAFailure() async throws {
        try await TestDatabase.with { database in
            try await database.script(
                """
                CREATE TABLE t (n integer);
                CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = 'P0042'; END $$;
                CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
                    FOR EACH ROW EXECUTE FUNCTION no()
                """)
            let insert = Statement<One<Int32>>("insert", "INSERT INTO t VALUES (1) RETURNING n")
            let connection = try await database.connect(statements: [insert])
            let error = await failure { () async throws(PostgresError) in
                try await connection.execute(insert, deadline: .soon)
            }
            #expect(error?.refusedState == "P0042")
        }
    }

    @Test func theWarning01000IsAnUnknownOutcome() async throws {
        try await TestDatabase.with { database in
            try await database.script(
                """
                CREATE FUNCTION warn() RETURNS integer LANGUAGE plpgsql AS
                    $$ BEGIN RAISE WARNING 'already committed locally'; RETURN 1; END $$;
                CREATE FUNCTION note() RETURNS integer LANGUAGE plpgsql AS
                    $$ BEGIN RAISE NOTICE 'by the way'; RETURN 1; END $$
                """)
            let warn = Statement<One<Int32>>("warn", "SELECT warn()")
            let note = Statement<One<Int32>>("note", "SELECT note()")
            let connection = try await database.connect(statements: [warn, note])
            let error = await failure { () async throws(PostgresError) in
                try await connection.execute(warn, deadline: .soon)
            }
            #expect(error?.isOutcomeUnknown == true)
            // The next statement is not blamed for it, and a notice is no warning.
            #expect(try await connection.execute(note, deadline: .soon).map(\.value) == [1])
            // In an open transaction it is about no commit.
            try await connection.script("BEGIN; SELECT warn()", deadline: .soon)
            try await connection.script("COMMIT", deadline: .soon)
        }
    }

    @Test func aTerminatedBackendIsNoticedBeforeSending() async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect(statements: Sample.all)
            let other = try await database.connect()
            let pid = try #require(
                try await connection.execute(Sample.backend, deadline: .soon).first?.value)
            _ = try await other.execute(Sample.terminate, pid, deadline: .soon)
            try await Task.sleep(for: .milliseconds(100))
            let error = await failure { () async throws(PostgresError) in
                try await connection.execute(Sample.echo, "x", deadline: .soon)
            }
            #expect(error?.isUnavailable == true)
            #expect(await connection.isOpen == false)
        }
    }

    @Test func aBackendTerminatedDuringAStatementIsAnUnknownOutcome() async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect(statements: Sample.all)
            let other = try await database.connect()
            let pid = try #require(
                try await connection.execute(Sample.backend, deadline: .soon).first?.value)
            async let error = failure { () async throws(PostgresError) in
                try await connection.execute(Sample.sleep, "30", deadline: .soon)
            }
            try await Task.sleep(for: .milliseconds(100))
            _ = try await other.execute(Sample.terminate, pid, deadline: .soon)
            #expect(await error?.isOutcomeUnknown == true)
        }
    }

    @Test func aCancelledStatementIsRolledBack() async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect(statements: Sample.all)
            try await connection.script("SET statement_timeout = '50ms'", deadline: .soon)
            let error = await failure { () async throws(PostgresError) in
                try await connection.execute(Sample.sleep, "30", deadline: .soon)
            }
            #expect(error?.isUnavailable == true)
            #expect(await connection.isOpen)
        }
    }

    @Test func aFrozenBackendDoesNotHoldUpTheDeadline() async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect(statements: Sample.all)
            let pid = try #require(
                try await connection.execute(Sample.backend, deadline: .soon).first?.value)
            kill(pid, SIGSTOP)
            defer { kill(pid, SIGCONT) }
            let start = ContinuousClock.now
            let error = await failure { () async throws(PostgresError) in
                try await connection.execute(
                    Sample.echo, "x", deadline: start + .milliseconds(300))
            }
            let took = ContinuousClock.now - start
            #expect(error?.isOutcomeUnknown == true)
            #expect(took >= .milliseconds(300) && took < .seconds(10))
            // It is abandoned, and says so at once.
            #expect(await connection.isOpen == false)
            let again = await failure { () async throws(PostgresError) in
                try await connection.execute(Sample.echo, "x", deadline: .soon)
            }
            #expect(again?.isUnavailable == true)
        }
    }

    @Test func connectingHasADeadline() async throws {
        let proxy = try TestProxy(to: TestDatabase.clusterURL())
        defer { proxy.stop() }
        proxy.freeze()
        let start = ContinuousClock.now
        let error = await failure { () async throws(PostgresError) in
            try await PostgresConnection.open(
                url: proxy.url, applicationName: "test", deadline: start + .milliseconds(300))
        }
        proxy.thaw()
        #expect(error?.isUnavailable == true)
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    /// The silent host has its share of the time and does not hide the next one.
    @Test func theNextHostIsTried() async throws {
        try await TestDatabase.with { database in
            let proxy = try TestProxy(to: database.url)
            defer { proxy.stop() }
            proxy.freeze()
            defer { proxy.thaw() }
            let hosts = { (url: String) in
                url.split(separator: "host=")[1].prefix { $0 != "&" }
            }
            let url = proxy.url.replacing(
                "host=\(hosts(proxy.url))", with: "host=\(hosts(proxy.url)),\(hosts(database.url))")
            let connection = try await PostgresConnection.open(
                url: url, applicationName: "test", deadline: .now + .seconds(2))
            #expect(
                try await connection.execute(Sample.echo, "x", deadline: .soon).map(\.value) == [
                    "x"
                ])
        }
    }

    @Test func demandsAreMet() async throws {
        try await TestDatabase.with { database in
            let url = database.url + "%20-csynchronous_commit%3Doff"
            let demands = PostgresConnection.Demands(synchronousCommit: true, primary: true)
            let error = await failure { () async throws(PostgresError) in
                try await PostgresConnection.open(
                    url: url, applicationName: "test", demands: demands, deadline: .soon)
            }
            #expect(error?.isUnavailable == true)
            #expect(error?.description.contains("synchronous_commit") == true)
            _ = try await PostgresConnection.open(
                url: url, applicationName: "test", deadline: .soon)
            _ = try await PostgresConnection.open(
                url: database.url, applicationName: "test", demands: demands, deadline: .soon)
        }
    }

    /// The server ends statements whose client has gone.
    @Test func theServerLooksAfterAbandonedConnections() async throws {
        try await TestDatabase.with { database in
            let setting = Statement<One<String>>(
                "setting", "SELECT current_setting('client_connection_check_interval')")
            let connection = try await database.connect()
            let rows = try await connection.execute(setting, deadline: .soon)
            #expect(rows.map(\.value) == ["5s"])
        }
    }

    @Test func aCancelledCallerGetsItsAnswer() async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect(statements: Sample.all)
            let task = Task {
                try await connection.execute(Sample.sleep, "0.2", deadline: .soon)
            }
            task.cancel()
            #expect(try await task.value.map(\.value) == [true])
        }
    }

    @Test func scriptsFailAsAWhole() async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect()
            let error = await failure { () async throws(PostgresError) in
                try await connection.script(
                    "CREATE TABLE a (n integer); SELECT 1/0", deadline: .soon)
            }
            #expect(error?.refusedState == "22012")
            let exists = Statement<One<Bool>>("exists", "SELECT to_regclass('a') IS NOT NULL")
            #expect(
                try await connection.execute(exists, deadline: .soon).map(\.value) == [false])
        }
    }

    @Test(arguments: [
        "postgresql://u:se%20cret@h:x/db", "postgresql://u:hunter2@[::1/db", "nonsense hunter2",
        "postgresql://u:hunter2@h/db?no_such=1",
    ])
    func aBadURLIsNotPrinted(url: String) async throws {
        let error = await failure { () async throws(PostgresError) in
            try await PostgresConnection.open(url: url, applicationName: "test", deadline: .soon)
        }
        let text = try #require(error?.description)
        #expect(!text.contains("hunter2") && !text.contains("cret"), "\(text)")
    }

    @Test func passwordsAreRedacted() throws {
        let settings = try ConnectionSettings(
            url: "postgresql://u:hun%20ter2@a:1,b:2/db", applicationName: "test")
        #expect(settings.redacted("tried hun ter2\nand failed\n") == "tried ***; and failed")
        #expect(settings.endpoints.map { $0.map(\.value) } == [["a", "1"], ["b", "2"]])
    }
}
