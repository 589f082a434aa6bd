import ArgumentParser
import Cluster
import Lease
import OAuth
import Operations
import Postgres
import Serving
import Storage

/// `doornail check`: what is wrong with the configuration and the database, and what to do.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Examine the configuration and the database.",
        discussion: "Exits 1 where something keeps 'doornail serve' from keeping its promise.")

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    /// A finding as it is printed.
    struct Line: Encodable {
        let level: Finding.Level
        let about: String
        let text: String
    }

    func run() async throws {
        let settings = try await Database.loadSettings(database, server)
        var lines = settings.problems.map {
            Line(
                level: .problem, about: "configuration", text: TokenMask.masked($0.description))
        }
        if lines.isEmpty {
            lines.append(
                Line(level: .ok, about: "configuration", text: "all settings can be read"))
        }
        lines += settings.warnings.map {
            Line(level: .warning, about: "configuration", text: $0)
        }
        if let url = try? settings.databaseURL() {
            lines += await examine(url, settings)
        }
        let failed = lines.contains { $0.level == .problem }
        if output.json {
            struct Report: Encodable {
                let ok: Bool
                let findings: [Line]
            }
            try Console.print(json: Report(ok: !failed, findings: lines))
        } else {
            for line in lines { print("\(line.level): \(line.about): \(line.text)") }
        }
        if failed { throw ExitCode(1) }
    }

    private func examine(_ url: String, _ settings: Settings) async -> [Line] {
        do {
            let status = try await Database.withConnection(url) { connection in
                try await Migrator(migrations: Migrations.all).status(on: connection)
            }
            if let problem = Database.problem(with: status) {
                return [Line(level: .problem, about: "database", text: problem)]
            }
            let findings = try await Database.with(
                database, connections: 1, checkingSecrets: false
            ) { operations, _ in
                // Where these cannot be read, `settings.problems` has said so.
                try await operations.check(
                    secrets: try? settings.secrets(), pool: try? settings.value(.pool))
            }
            return findings.map { Line(level: $0.level, about: $0.about, text: $0.sentence) }
        } catch is InvalidSetting {
            // `settings.problems` has it already.
            return []
        } catch {
            return [Line(level: .problem, about: "database", text: "\(error)")]
        }
    }
}
