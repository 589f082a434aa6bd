import Foundation

/// One installation of PostgreSQL's server programs.
struct PostgresPrograms: Sendable {
    /// The folder that `initdb`, `postgres` and `pg_ctl` are in.
    let folder: String
    /// 15 for PostgreSQL 15.18.
    let major: Int

    /// The full path of one of the programs.
    func path(_ program: String) -> String { "\(folder)/\(program)" }

    /// The installation to use: for an existing cluster one of its own major version, else the
    /// first in `PATH`, else the newest.
    ///
    /// Debian keeps the server's programs out of `PATH`, a folder for each major version, and
    /// PostgreSQL opens no cluster of another major version.
    static func find(for cluster: Int?) async throws(DevError) -> PostgresPrograms {
        let all = await installed()
        guard let first = all.first else {
            throw DevError(
                "PostgreSQL's server programs (initdb, postgres, pg_ctl) are neither in PATH nor "
                    + "in /usr/lib/postgresql: install them (apt-get install postgresql) or add "
                    + "their folder to PATH.")
        }
        guard let cluster else { return first }
        if let match = all.first(where: { $0.major == cluster }) { return match }
        let versions = all.map { String($0.major) }.joined(separator: ", ")
        throw DevError(
            "The data were made by PostgreSQL \(cluster), and here is only \(versions): install "
                + "postgresql-\(cluster), or begin anew with another --data.")
    }

    private static func installed() async -> [PostgresPrograms] {
        let files = FileManager.default
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        // Resolved, since a link to initdb alone says where the others are.
        let inPath = path.split(separator: ":").compactMap { folder in
            resolved("\(folder)/initdb").map { String($0.dropLast("/initdb".count)) }
        }
        let debian = "/usr/lib/postgresql"
        let versions = (try? files.contentsOfDirectory(atPath: debian)) ?? []
        let newestFirst = versions.sorted { (Int($0) ?? 0) > (Int($1) ?? 0) }
        var found: [PostgresPrograms] = []
        for folder in inPath + newestFirst.map({ "\(debian)/\($0)/bin" }) {
            if found.contains(where: { $0.folder == folder }) { continue }
            let programs = ["initdb", "postgres", "pg_ctl"].map { "\(folder)/\($0)" }
            guard programs.allSatisfy(files.isExecutableFile) else { continue }
            guard let major = await major(of: folder) else { continue }
            found.append(PostgresPrograms(folder: folder, major: major))
        }
        return found
    }

    /// The path behind a chain of links to a file named `initdb`.
    private static func resolved(_ path: String) -> String? {
        guard let real = Files.realPath(path), real.hasSuffix("/initdb") else { return nil }
        return real
    }

    /// The major version from "postgres (PostgreSQL) 15.18 (Debian ...)".
    private static func major(of folder: String) async -> Int? {
        let outcome = await GuardedProcess.run(.init(command: ["\(folder)/postgres", "--version"]))
        guard outcome.succeeded, let line = outcome.lastLines.last else { return nil }
        let words = line.split(separator: " ")
        guard words.count > 2 else { return nil }
        return Int(words[2].prefix { $0.isASCII && $0.isNumber })
    }
}
