import Foundation

/// What a running PostgreSQL server says about itself in the file `postmaster.pid` of its data.
///
/// The lines are a documented format (PostgreSQL's `miscadmin.h`, LOCK_FILE_LINE_*): process id,
/// data folder, start time, port, socket folder, listen address, shared memory, status.
struct Postmaster {
    let pid: Int
    let socketFolder: String
    let isReady: Bool

    /// Reads the file; `nil` if there is none, as after every orderly end.
    init?(of cluster: String) {
        guard let text = Files.text(of: cluster + "/postmaster.pid") else { return nil }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        // A negative number is a server in single-user mode.
        guard let number = lines.first.flatMap({ Int($0) }) else { return nil }
        pid = abs(number)
        socketFolder = lines.count > 4 ? String(lines[4]) : ""
        isReady = lines.count > 7 && lines[7].hasPrefix("ready")
    }

    /// Whether the process is there and is this cluster's server.
    ///
    /// After a crash of the machine the number may belong to any process, which must not be sent a
    /// signal: PostgreSQL's working folder is its data folder, and that tells.
    func isRunning(in cluster: String) -> Bool {
        #if os(Linux)
            let folder = try? FileManager.default.destinationOfSymbolicLink(
                atPath: "/proc/\(pid)/cwd")
            return folder == Files.realPath(cluster)
        #else
            return Files.exists(socketFolder)
        #endif
    }

    /// Whether the process is a dead PostgreSQL that its parent has not waited for.
    var isZombie: Bool {
        // "3725 (postgres) Z 1 ..."; without /proc, there is nothing to see.
        guard let status = Files.text(of: "/proc/\(pid)/stat") else { return false }
        return status.hasPrefix("\(pid) (postgres) Z")
    }
}
