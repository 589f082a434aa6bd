import ArgumentParser
import Cluster
import Lease
import OAuth
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

    struct Finding: Encodable {
        /// `ok`, `warning` or `problem`.
        let level: String
        let about: String
        let text: String
    }

    func run() async throws {
        let settings = try await Database.loadSettings(database, server)
        var findings = settings.problems(serving: true).map {
            Finding(
                level: "problem", about: "configuration", text: TokenMask.masked($0.description))
        }
        if findings.isEmpty {
            findings.append(
                Finding(level: "ok", about: "configuration", text: "all settings can be read"))
        }
        findings += settings.warnings.map {
            Finding(level: "warning", about: "configuration", text: $0)
        }
        if let url = try? settings.databaseURL() {
            findings += await examine(url, settings)
        }
        let failed = findings.contains { $0.level == "problem" }
        if output.json {
            struct Report: Encodable {
                let ok: Bool
                let findings: [Finding]
            }
            try Console.print(json: Report(ok: !failed, findings: findings))
        } else {
            for finding in findings {
                print("\(finding.level): \(finding.about): \(finding.text)")
            }
        }
        if failed { throw ExitCode(1) }
    }

    private func examine(_ url: String, _ settings: Settings) async -> [Finding] {
        do {
            let status = try await Database.withConnection(url) { connection in
                try await Migrator(migrations: Migrations.all).status(on: connection)
            }
            if let problem = Database.problem(with: status) {
                return [Finding(level: "problem", about: "database", text: problem)]
            }
            return try await Database.with(
                database, connections: 1, checkingSecrets: false
            ) { database, _ in
                let examination = try await database.store.examine()
                let known = try await database.store.secrets()
                let grants = try await database.store.grantsBySecret()
                return Self.findings(examination) + Self.leases(examination, settings)
                    + Self.findings(known, settings, grants)
            }
        } catch is Settings.Invalid {
            // It was said already, as configuration.
            return []
        } catch {
            return [Finding(level: "problem", about: "database", text: "\(error)")]
        }
    }

    private static func findings(_ e: Examination) -> [Finding] {
        var findings: [Finding] = []
        func add(_ level: String, _ text: String) {
            findings.append(Finding(level: level, about: "database", text: text))
        }
        if e.serverVersion < 150_000 {
            add("problem", "PostgreSQL \(e.serverVersion / 10_000) is too old; use 15 or newer")
        }
        if e.primary.isRecovering {
            add(
                "problem",
                "this is a standby; connect to the primary "
                    + "(target_session_attrs=read-write chooses it among several hosts)")
        }
        if !e.primary.weakness.isEmpty {
            add(
                "problem",
                "\(e.primary.weakness), so a crash or a failover can lose what was acknowledged, "
                    + "and nodes answer nothing; set it to on, for the server, the database and "
                    + "this role (ALTER ROLE ... RESET ...)")
        }
        if e.encoding != "UTF8" {
            add("problem", "the database's encoding is \(e.encoding); make it with UTF8")
        }
        if e.offTriggers > 0 {
            add(
                "problem",
                "\(e.offTriggers) triggers are not always on, so what is written by hand is not "
                    + "guarded: as the owner, ALTER TABLE ... ENABLE ALWAYS TRIGGER ... for each "
                    + "(ENABLE REPLICA for those that are called apply)")
        }
        if e.mayAnybodyMakeTables {
            add(
                "warning",
                "every role that may connect may make temporary tables; as the owner of the "
                    + "database: REVOKE TEMPORARY ON DATABASE ... FROM PUBLIC")
        }
        if e.isSuperuser {
            add("warning", "this role is a superuser; serve as one that may only read and write")
        } else if e.mayCreateTables {
            add("warning", "this role may create tables; serve as another one than migrates")
        }
        if !findings.contains(where: { $0.level == "problem" }) {
            add(
                "ok",
                "PostgreSQL \(e.serverVersion / 10_000), timeline \(e.primary.timeline); clients: "
                    + "\(e.clients), running nodes: \(e.nodes - e.silentNodes), "
                    + "log entries so far: \(e.lastNumber), what was over before "
                    + "\(e.purgeHorizon.text) is removed")
        }
        return findings
    }

    /// What the promise rests on beside the database's own settings (docs/operating.md).
    private static func leases(_ e: Examination, _ settings: Settings) -> [Finding] {
        var findings: [Finding] = []
        func add(_ level: String, _ text: String) {
            findings.append(Finding(level: level, about: "leases", text: text))
        }
        if e.synchronousStandbys.isEmpty {
            add(
                "ok",
                "commits wait for no standby (synchronous_standby_names is empty): right for a "
                    + "single PostgreSQL; a failover to a standby would lose acknowledged "
                    + "revocations")
        } else {
            add(
                "ok",
                "commits wait for a standby (synchronous_standby_names is "
                    + "'\(e.synchronousStandbys)')")
        }
        if let lease = e.silentLeaseMilliseconds {
            let wait = Lease.outlasting(.milliseconds(Int64(lease))) / .milliseconds(1)
            add(
                "warning",
                "nodes that are gone, or do not reach the database: \(e.silentNodes); until their "
                    + "rows are removed, each revocation waits \(Int64(wait.rounded(.up))) ms for "
                    + "them. A running node removes them after some seconds")
        }
        if let pool = try? settings.pool() {
            let nodes = max(e.nodes - e.silentNodes, 1)
            let needed = nodes * Int64(pool + 1)
            if needed > Int64(e.maximumConnections) {
                add(
                    "warning",
                    "PostgreSQL gives \(e.maximumConnections) connections (max_connections, less the "
                        + "reserved ones), and \(nodes) node\(nodes == 1 ? "" : "s") with "
                        + "DOORNAIL_POOL=\(pool) and one for the lease use \(needed): raise one, or "
                        + "lower the other")
            }
        }
        return findings
    }

    private static func findings(
        _ known: [SecretRecord], _ settings: Settings, _ grants: [UInt8: Int64]
    ) -> [Finding] {
        // What is wrong with them was said already, as configuration.
        guard let secrets = try? settings.secrets() else { return [] }
        do {
            let new = try SecretRules.unknown(secrets: secrets, known: known.map(\.known))
            if !new.isEmpty {
                return [
                    Finding(
                        level: "ok", about: "secrets",
                        text: "\(new.count) new; 'doornail serve' makes them known")
                ]
            }
            let used = known.map(\.known).filter { !$0.isRetired }
            let first = secrets.first?.fingerprint
            let old = used.filter { $0.fingerprint != first }.map(\.keyID).sorted()
            return [
                Finding(
                    level: "ok", about: "secrets",
                    text: "this configuration has every secret that is in use (\(used.count))")
            ]
                + old.map { keyID in
                    Finding(
                        level: "ok", about: "secrets",
                        text: "secret \(keyID) is an old one; grants that may still hold a refresh "
                            + "token under it: \(grants[keyID] ?? 0). Retire it once there are "
                            + "none and the access tokens have expired")
                }
        } catch {
            return [
                Finding(
                    level: "problem", about: "secrets",
                    text: Node.StartError.secrets(error).description)
            ]
        }
    }
}
