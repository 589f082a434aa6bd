import Cluster
import Foundation
import Logging
import OAuth
import Operations
import Postgres
import Serving
import Storage
import Web

/// No connection to the database could be opened. The next attempt may succeed.
struct UnreachableDatabase: Error, CustomStringConvertible {
    let reason: String

    var description: String { "the database cannot be reached: \(reason)" }
}

/// The database as commands use it: opened, of the right version, and closed again.
enum Database {
    /// Runs a command's work with the database open.
    static func with<Result: Sendable>(
        _ options: DatabaseOptions, connections: Int = 2, checkingSecrets: Bool = true,
        _ work: @escaping @Sendable (Operations, Settings) async throws -> Result
    ) async throws -> Result {
        let settings = try await loadSettings(options)
        let logger = try logOutput(settings, level: .notice, format: .text)
            .logger(label: "doornail")
        let url = try settings.databaseURL()
        try await requireVersion(url)
        let store = Store(
            PostgresPool.Configuration(
                url: url, size: connections, applicationName: "doornail", prepares: false),
            logger: logger)
        let operations = Operations(
            store: store, revoker: Revoker(store: store, logger: logger), actor: Console.actor)
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask {
                try await store.run()
                return nil
            }
            group.addTask {
                try await explaining(store) {
                    // A command with another node's configuration is refused before it does anything.
                    // Without any secret, commands that need none work.
                    let hasSecrets =
                        settings.text(Setting.secret) != nil
                        || settings.text(Setting.secretFile) != nil
                    if checkingSecrets, hasSecrets {
                        try await operations.requireFitting { try settings.secrets() }
                    }
                    return try await work(operations, settings)
                }
            }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CommandFailure("the connection to the database ended")
        }
    }

    /// Turns problems into sentences; with why the database cannot be reached, where the pool knows.
    private static func explaining<Result>(
        _ store: Store, _ work: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await work()
        } catch Problem.store(.unavailable(let reason)) {
            throw CommandFailure(
                "the database cannot answer for certain: \(store.pool.status.lastError ?? reason)"
            )
        } catch let problem as Problem {
            throw CommandFailure(problem.sentence)
        }
    }

    /// Refuses a database that is not of this binary's version, and says what to do.
    static func requireVersion(_ url: String) async throws {
        let status = try await withConnection(url) { connection in
            try await Migrator(migrations: Migrations.all).status(on: connection)
        }
        if let problem = problem(with: status) { throw CommandFailure(problem) }
    }

    /// Why this binary cannot work with the database; nil where it can.
    static func problem(with status: MigrationStatus) -> String? {
        if !status.edited.isEmpty {
            return "the database was migrated by another text of "
                + status.edited.map(\.name).joined(separator: ", ")
                + ": use the doornail that made it"
        }
        if !status.unknown.isEmpty {
            return "the database is newer than this doornail (it has migration "
                + status.unknown.joined(separator: ", ")
                + "): use a newer doornail"
        }
        if !status.pending.isEmpty {
            return "the database lacks \(status.pending.count) migration"
                + (status.pending.count == 1 ? "" : "s") + ": run 'doornail migrate'"
        }
        return nil
    }

    /// One connection without prepared statements, as migrations need it.
    static func withConnection<Result: Sendable>(
        _ url: String, deadline: ContinuousClock.Instant = .now + .seconds(5),
        _ work: (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        let connection: PostgresConnection
        do {
            connection = try await PostgresConnection.open(
                url: url, applicationName: "doornail", statements: [],
                deadline: deadline)
        } catch {
            throw UnreachableDatabase(reason: "\(error)")
        }
        do {
            let result = try await work(connection)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }

    static func loadSettings(
        _ options: DatabaseOptions, _ server: ServerOptions? = nil
    ) async throws -> Settings {
        let flags = options.flags.merging(server?.flags ?? [:]) { _, new in new }
        if let url = options.databaseURL?.text, hasPassword(url) {
            throw InvalidSetting(
                description: "--database-url contains a password, which others can read in the "
                    + "list of processes; use the variable DATABASE_URL",
                isUsage: true)
        }
        return try await Settings(flags: flags, file: options.config)
    }

    private static func hasPassword(_ url: String) -> Bool {
        if url.contains("password=") { return true }
        guard let scheme = url.range(of: "://") else { return false }
        let authority = url[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
        return authority.split(separator: "@").count > 1
            && authority.prefix { $0 != "@" }.contains(":")
    }

    static func logOutput(
        _ settings: Settings, level: Logger.Level? = nil, format: LogOutput.Format
    ) throws -> LogOutput {
        LogOutput(
            format: try settings.value(.logFormat) ?? format,
            level: try settings.value(.logLevel) ?? level ?? .info)
    }
}
