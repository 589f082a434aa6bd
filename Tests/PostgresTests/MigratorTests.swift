import Postgres
import TestSupport
import Testing

@Suite("Migrations")
struct MigratorTests {
    static func migration(_ version: Int, _ sql: String, checksum: UInt8 = 0) -> Migration {
        Migration(
            version: version, name: "000\(version)_step", sql: sql,
            checksum: [UInt8(version), checksum])
    }

    static let one = migration(
        1, "CREATE TABLE a (n integer); CREATE TABLE b (n integer);\n-- ends in a comment")
    static let two = migration(2, "INSERT INTO a VALUES (1); SELECT pg_sleep(0.05)")
    static let three = migration(3, "ALTER TABLE a ADD m integer")

    private static let count = Statement<One<Int64>>("count", "SELECT count(*) FROM a")

    @Test func aFreshDatabase() async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect()
            let migrator = Migrator(migrations: [Self.two, Self.one])
            let before = try await migrator.status(on: connection)
            #expect(before.pending == [Self.one, Self.two] && before.applied.isEmpty)
            #expect(!before.isCurrent)
            #expect(try await migrator.migrate(on: connection) == [Self.one, Self.two])
            #expect(try await migrator.migrate(on: connection).isEmpty)
            #expect(try await migrator.status(on: connection).isCurrent)

            let later = Migrator(migrations: [Self.one, Self.two, Self.three])
            #expect(try await later.status(on: connection).pending == [Self.three])
            #expect(try await later.migrate(on: connection) == [Self.three])
        }
    }

    @Test func tenAtOnce() async throws {
        try await TestDatabase.with { database in
            let migrator = Migrator(migrations: [Self.one, Self.two, Self.three])
            let applied = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<10 {
                    group.addTask {
                        let connection = try await database.connect()
                        return try await migrator.migrate(on: connection).count
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(applied.sorted() == [0, 0, 0, 0, 0, 0, 0, 0, 0, 3])
            let rows = try await database.connect().execute(Self.count, deadline: .soon)
            #expect(rows.map(\.value) == [1])
        }
    }

    @Test func anEditedFileIsRefused() async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect()
            _ = try await Migrator(migrations: [Self.one]).migrate(on: connection)
            let edited = Migrator(migrations: [
                Self.migration(1, "CREATE TABLE c (n integer)", checksum: 1), Self.two,
            ])
            #expect(try await edited.status(on: connection).edited.map(\.version) == [1])
            await #expect { try await edited.migrate(on: connection) } throws: { error in
                guard case .edited(["0001_step"])? = error as? MigrationError else { return false }
                return "\(error)".contains("restore the file")
            }
            let rows = try await connection.execute(Self.count, deadline: .soon)
            #expect(rows.map(\.value) == [0])
        }
    }

    @Test func aNewerDatabaseIsRefused() async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect()
            _ = try await Migrator(migrations: [Self.one, Self.two]).migrate(on: connection)
            let older = Migrator(migrations: [Self.one])
            #expect(try await older.status(on: connection).unknown == ["0002_step"])
            await #expect { try await older.migrate(on: connection) } throws: { error in
                if case .newer(["0002_step"])? = error as? MigrationError { true } else { false }
            }
        }
    }

    @Test(arguments: [
        "CREATE TABLE c (n integer); SELECT 1/0", "CREATE TABL c (n integer)",
        "CREATE TABLE c (n integer); COMMIT", "COMMIT; BEGIN; ROLLBACK",
    ])
    func brokenSQLRollsEverythingBack(sql: String) async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect()
            let migrator = Migrator(migrations: [Self.migration(1, sql)])
            await #expect { try await migrator.migrate(on: connection) } throws: { error in
                guard case .failed(let name, let message)? = error as? MigrationError else {
                    return false
                }
                return name == "0001_step" && !message.isEmpty
            }
            #expect(try await migrator.status(on: connection).pending.count == 1)
            #expect(await connection.isInTransaction == false)
        }
    }

    @Test func aLaterMigrationThatFailsTakesTheEarlierWithIt() async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect()
            let broken = Migrator(migrations: [Self.one, Self.migration(2, "SELECT 1/0")])
            await #expect(throws: MigrationError.self) {
                try await broken.migrate(on: connection)
            }
            #expect(try await broken.status(on: connection).applied.isEmpty)
            let mended = Migrator(migrations: [Self.one, Self.two])
            #expect(try await mended.migrate(on: connection).count == 2)
        }
    }

    @Test func aLostCommitIsAnUnknownOutcome() async throws {
        try await TestDatabase.with { database in
            // The commit takes long, in a deferred trigger, and the connection is cut meanwhile.
            try await database.script(
                """
                CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
                CREATE TABLE slowly (n integer);
                CREATE CONSTRAINT TRIGGER late AFTER INSERT ON slowly
                    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()
                """)
            let proxy = try TestProxy(to: database.url)
            defer { proxy.stop() }
            let connection = try await PostgresConnection.open(
                url: proxy.url, applicationName: "test", deadline: .soon)
            let migrator = Migrator(migrations: [
                Self.migration(1, "INSERT INTO slowly VALUES (1)")
            ])
            let task = Task { try await migrator.migrate(on: connection) }
            try await Task.sleep(for: .milliseconds(500))
            proxy.cut()
            await #expect {
                _ = try await task.value
            } throws: { error in
                if case .database(.outcomeUnknown)? = error as? MigrationError {
                    true
                } else {
                    false
                }
            }
            try await Task.sleep(for: .seconds(1))
        }
    }
}
