import Foundation
import Logging

/// The private PostgreSQL cluster of `doornail dev`: made at the first start, kept for the next.
///
/// It is reached by a unix socket alone, in a folder that only its user may enter, which is why
/// nobody is asked for a password. It never outlives this process (`GuardedProcess`), and its
/// data are never deleted.
struct PrivateCluster: Sendable {
    /// The user and the database that belong to Doornail.
    static let name = "doornail"
    /// `/tmp`, whatever TMPDIR says: the path of a socket has at most 107 bytes.
    static let socketPrefix = "/tmp/dn-"

    /// What a cluster that is being made has at the end of its name.
    private static let draftSuffix = ".new-"

    /// How libpq reaches the database.
    let url: String
    /// The folder of PostgreSQL's data.
    let dataPath: String
    /// What PostgreSQL has to say.
    let logPath: String
    /// The data folder, which has the demo's files too.
    var files: Folder { folder.files }
    private let folder: DataFolder
    private let server: GuardedProcess

    /// Starts the cluster in a data folder and returns when it takes connections.
    static func start(
        dataDirectory: String, logger: Logger
    ) async throws(DevError) -> PrivateCluster {
        let folder = try DataFolder.open(dataDirectory)
        do throws(DevError) {
            return try await start(folder, logger: logger)
        } catch {
            folder.close()
            throw error
        }
    }

    /// Stops the cluster, finishing nothing and losing nothing: whatever was committed is on disk.
    func stop() async {
        await server.stop()
        folder.close()
    }

    /// Waits until PostgreSQL has ended, which it does by itself only when something is wrong, or
    /// until this task is cancelled.
    func waitUntilExit() async {
        await server.waitUntilExit()
    }

    private static func start(
        _ folder: DataFolder, logger: Logger
    ) async throws(DevError) -> PrivateCluster {
        let programs = try await PostgresPrograms.find(for: try version(of: folder))
        try await stopLeftover(folder, programs, logger)
        if !Files.exists(folder.cluster) {
            logger.info("making a PostgreSQL cluster", metadata: ["path": "\(folder.cluster)"])
            try await make(folder, programs)
        }
        // An initdb that a killed first start left behind needs a moment to end; what it still
        // holds after that goes at the next start.
        for _ in 0..<40 {
            if await removeDrafts(folder) { break }
            try await pause(.milliseconds(25))
        }
        rotateLog(folder.log)
        let cluster = try await patiently(logger) { () async throws(DevError) in
            try await launch(folder, programs, logger)
        }
        if let cluster { return cluster }
        throw DevError(
            "Processes of an earlier PostgreSQL still use \(folder.cluster): end them, then start "
                + "again.")
    }

    /// Starts the server; `nil` where it is worth trying again, since the processes of one that
    /// was killed are still on their way out.
    private static func launch(
        _ folder: DataFolder, _ programs: PostgresPrograms, _ logger: Logger
    ) async throws(DevError) -> PrivateCluster? {
        let socket = try Folder.makeUnique(socketPrefix, owner: folder.account)
        let logged = Files.size(of: folder.log)
        let server = GuardedProcess(
            .init(
                command: [programs.path("postgres"), "-D", folder.cluster]
                    + settings(socketFolder: socket).flatMap { ["-c", $0] },
                account: folder.account, log: folder.log, socketFolder: socket))
        guard let outcome = try await endBeforeReady(server, folder, socket, logger) else {
            return PrivateCluster(
                url: "postgresql:///\(name)?host=\(socket)&port=5432&user=\(name)",
                dataPath: folder.cluster, logPath: folder.log, folder: folder, server: server)
        }
        let log = Files.text(of: folder.log, from: logged)
        if log.contains("pre-existing shared memory block") { return nil }
        let lines = log.split(whereSeparator: \.isNewline).suffix(8).map(String.init)
        throw failure(
            "PostgreSQL ended as soon as it was started",
            .init(
                succeeded: false, reason: outcome.reason,
                lastLines: lines.isEmpty ? outcome.lastLines : lines), folder)
    }

    /// Waits until a server has written into `postmaster.pid` that it is ready; returns how it
    /// ended if it did instead.
    private static func endBeforeReady(
        _ server: GuardedProcess, _ folder: DataFolder, _ socket: String, _ logger: Logger
    ) async throws(DevError) -> GuardedProcess.Outcome? {
        var waits = 0
        while true {
            if let outcome = server.outcome { return outcome }
            let postmaster = Postmaster(of: folder.cluster)
            if let postmaster, postmaster.socketFolder == socket, postmaster.isReady { return nil }
            do throws(DevError) {
                try await pause(.milliseconds(20))
            } catch {
                await server.stop()
                throw error
            }
            waits += 1
            if waits.isMultiple(of: 500) {
                logger.notice("still waiting for PostgreSQL", metadata: ["log": "\(folder.log)"])
            }
        }
    }

    /// What the server runs with; given at each start, so that a newer Doornail can change it.
    ///
    /// `fsync` and `synchronous_commit` stay on although the data are for trying things out:
    /// Doornail's promise is about commits that survive.
    private static func settings(socketFolder: String) -> [String] {
        [
            "listen_addresses=", "port=5432", "unix_socket_directories=\(socketFolder)",
            "unix_socket_permissions=0700", "max_connections=50", "shared_buffers=128MB",
            "fsync=on", "full_page_writes=on", "synchronous_commit=on", "logging_collector=off",
            "log_destination=stderr", "log_line_prefix=%m [%p] ",
        ]
    }

    /// The major version that made the cluster; `nil` before there is one.
    private static func version(of folder: DataFolder) throws(DevError) -> Int? {
        guard Files.exists(folder.cluster) else { return nil }
        let file = folder.cluster + "/PG_VERSION"
        let text = (Files.text(of: file) ?? "").prefix { !$0.isNewline }
        guard let major = Int(text) else {
            throw DevError(
                "The data are damaged (\(file) is missing or unreadable): put the folder back "
                    + "from a copy, or begin anew with another --data.")
        }
        return major
    }

    /// Stops a server that was left running, which takes the killing of both the process that
    /// started it and its watchdog, or finds that it is still being stopped.
    private static func stopLeftover(
        _ folder: DataFolder, _ programs: PostgresPrograms, _ logger: Logger
    ) async throws(DevError) {
        guard let old = Postmaster(of: folder.cluster) else { return }
        if old.isRunning(in: folder.cluster) {
            logger.notice(
                "stopping the PostgreSQL of an earlier run", metadata: ["pid": "\(old.pid)"])
            // It fails where the server is on its way out: its file goes before its process does.
            _ = await GuardedProcess.run(
                .init(
                    command: [
                        programs.path("pg_ctl"), "stop", "-D", folder.cluster, "-m", "fast", "-W",
                    ], account: folder.account))
            let hasEnded: Void? = try await patiently(logger) { () in
                old.isRunning(in: folder.cluster) ? nil : ()
            }
            guard hasEnded != nil else {
                throw DevError(
                    "The PostgreSQL of an earlier run (pid \(old.pid)) does not stop: end it, "
                        + "then start again.")
            }
        }
        try await forgetUnreaped(old, folder)
        // The file is PostgreSQL's user's to write, so root removes no more than what it has made.
        if old.socketFolder.hasPrefix(socketPrefix),
            !old.socketFolder.dropFirst(socketPrefix.count).contains("/")
        {
            for name in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
                _ = unsafe unlink("\(old.socketFolder)/\(name)")
            }
            _ = unsafe rmdir(old.socketFolder)
        }
    }

    /// Looks, for a minute, until processes of an earlier run have ended, and says so where that takes
    /// a while; nil where they have not.
    private static func patiently<Found: Sendable>(
        _ logger: Logger, _ look: () async throws(DevError) -> Found?
    ) async throws(DevError) -> Found? {
        let began = ContinuousClock.now
        var isTold = false
        while true {
            if let found = try await look() { return found }
            let waited = ContinuousClock.now - began
            guard waited < .seconds(60) else { return nil }
            if waited > .seconds(2), !isTold {
                logger.warning("waiting for the PostgreSQL of an earlier run to end")
                isTold = true
            }
            try await pause(.milliseconds(50))
        }
    }

    /// Removes the `postmaster.pid` of a server that is dead but still listed.
    ///
    /// PostgreSQL takes a dead process that nobody has waited for as a running one, and in a
    /// container whose first process never waits for orphans it would refuse to start for ever.
    /// The processes that a killed server leaves behind are no danger: a new one checks that
    /// nobody is attached to the old shared memory, with or without the file.
    private static func forgetUnreaped(
        _ old: Postmaster, _ folder: DataFolder
    ) async throws(DevError) {
        for _ in 0..<40 where old.isZombie { try await pause(.milliseconds(25)) }
        guard old.isZombie, Postmaster(of: folder.cluster)?.pid == old.pid else { return }
        _ = unsafe unlink(folder.cluster + "/postmaster.pid")
    }

    /// Removes what first starts that were cut short have left; says whether all is gone.
    private static func removeDrafts(_ folder: DataFolder) async -> Bool {
        var isClean = true
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.home)) ?? []
        where name.hasPrefix("postgres" + draftSuffix) {
            isClean = await remove("\(folder.home)/\(name)", folder) && isClean
        }
        return isClean
    }

    /// Removes a folder of the user's whom PostgreSQL runs as, as that user: root could be led
    /// elsewhere meanwhile.
    private static func remove(_ path: String, _ folder: DataFolder) async -> Bool {
        await GuardedProcess.run(
            .init(command: ["rm", "-rf", "--", path], account: folder.account)
        ).succeeded
    }

    private static func pause(_ duration: Duration) async throws(DevError) {
        do {
            try await Task.sleep(for: duration)
        } catch {
            throw DevError("Stopped before PostgreSQL was ready.")
        }
    }

    /// Makes the cluster under another name and renames it when it is complete, so that a first
    /// start that was cut short leaves nothing behind that looks like a cluster.
    private static func make(
        _ folder: DataFolder, _ programs: PostgresPrograms
    ) async throws(DevError) {
        let draft = try Folder.makeUnique(folder.cluster + draftSuffix, owner: folder.account)
        let initdb = await GuardedProcess.run(
            .init(
                command: [
                    programs.path("initdb"), "-D", draft, "-U", name, "--auth=trust",
                    "--encoding=UTF8", "--locale=C",
                ], account: folder.account))
        var outcome = initdb
        if initdb.succeeded {
            // By the server's single-user mode, so that no cluster is ever without its database.
            let statement = "create-database.sql"
            let files = try Folder(draft)
            defer { files.release() }
            try files.save("CREATE DATABASE \(name);\n", as: statement, owner: folder.account)
            outcome = await GuardedProcess.run(
                .init(
                    command: [
                        programs.path("postgres"), "--single", "-D", draft, "-c",
                        "log_statement=none",
                        "-c", "exit_on_error=on", "postgres",
                    ], account: folder.account, input: "\(draft)/\(statement)"))
            files.remove(statement)
        }
        guard outcome.succeeded else {
            _ = await remove(draft, folder)
            throw failure("The PostgreSQL cluster cannot be made", outcome, folder)
        }
        try Files.move(draft, to: folder.cluster)
    }

    /// One sentence about a program that failed, with its own words below.
    private static func failure(
        _ what: String, _ outcome: GuardedProcess.Outcome, _ folder: DataFolder
    ) -> DevError {
        let text = outcome.lastLines.joined(separator: "\n    ")
        // "Check free disk space" is PostgreSQL's hint about a write that was cut short.
        let isFull = ["No space left on device", "Disk quota exceeded", "Check free disk space"]
            .contains { text.contains($0) }
        if isFull {
            return DevError("\(what): the disk of \(folder.home) is full; free some space.")
        }
        let words = text.isEmpty ? "" : " Its last words:\n    " + text
        return DevError(
            "\(what) (\(outcome.reason)): put right what it complains about, or begin anew with "
                + "another --data.\(words)")
    }

    /// Keeps the log's last 10 MB or so, and the 10 MB before them.
    private static func rotateLog(_ log: String) {
        guard Files.size(of: log) > 10_000_000 else { return }
        // A log that cannot be renamed only goes on growing.
        try? Files.move(log, to: log + ".1")
    }
}
