import ArgumentParser
import Postgres
import Storage

/// `doornail migrate`: brings the database up to date.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Bring the database up to date.",
        discussion: """
            Migrations are plain SQL and only go forward. Any number of these may run at
            once. The role that migrates owns the tables; the role that serves needs no
            more than to read and write them (docs/operating.md).
            """)

    @Flag(help: "Only show what is applied and what is pending.")
    var status = false

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    struct Row: Encodable {
        let version: Int?
        let name: String
        let state: String
    }

    func run() async throws {
        let settings = try await Database.loadSettings(database)
        let url = try settings.databaseURL()
        let migrator = Migrator(migrations: Migrations.all)
        if status {
            let status = try await Database.withConnection(url) { connection in
                try await migrator.status(on: connection)
            }
            try show(status)
        } else {
            let applied = try await Database.withConnection(url) { connection in
                do {
                    return try await migrator.migrate(on: connection)
                } catch let error as MigrationError {
                    throw CommandFailure(error.description)
                }
            }
            try show(applied)
        }
    }

    private func show(_ applied: [Migration]) throws {
        if output.json {
            struct Result: Encodable { let applied: [Row] }
            try Console.print(
                json: Result(
                    applied: applied.map {
                        Row(version: $0.version, name: $0.name, state: "applied")
                    }))
        } else if applied.isEmpty {
            print("The database is up to date.")
        } else {
            for migration in applied { print("Applied \(migration.name).") }
        }
    }

    private func show(_ status: MigrationStatus) throws {
        let pending = Set(status.pending.map(\.version))
        let edited = Set(status.edited.map(\.version))
        var rows = Migrations.all.map { migration in
            Row(
                version: migration.version, name: migration.name,
                state: edited.contains(migration.version)
                    ? "edited" : pending.contains(migration.version) ? "pending" : "applied")
        }
        rows += status.unknown.map {
            Row(version: nil, name: $0, state: "unknown")
        }
        if output.json {
            try Console.print(json: rows)
        } else {
            Console.print(
                table: rows.map { [$0.version.map(String.init) ?? "", $0.name, $0.state] },
                header: ["VERSION", "MIGRATION", "STATE"])
        }
        if let problem = Database.problem(with: status), pending.isEmpty {
            throw CommandFailure(problem)
        }
    }
}
