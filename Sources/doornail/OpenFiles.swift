import Foundation
import Serving
import Web

/// The limit of open files, which a socket is too.
enum OpenFiles {
    /// Takes as many as the system allows, and shares them out: first what the server itself needs, so
    /// that no number of connections keeps it from the database, from its files or from those who watch it.
    static func connections(pool: Int) throws -> HTTPLimits {
        let files = raised()
        let reserve = reserve(pool: pool, cores: ProcessInfo.processInfo.processorCount)
        guard let limits = HTTPLimits(files: files, reserve: reserve) else {
            throw CommandFailure(
                "the limit of open files is \(files), which leaves no room for connections; raise it "
                    + "to \(reserve + HTTPLimits.fewestConnections) or more (ulimit -n, or "
                    + "LimitNOFILE of the systemd unit)")
        }
        return limits
    }

    static func reserve(pool: Int, cores: Int) -> Int {
        // Standard streams, listeners, signals, files that are read for a moment; three of each event
        // loop; connections to the database, also while new ones take the place of old ones.
        32 + 3 * cores + 2 * (pool + 1) + HTTPLimits.admin.connections + 2 * ServerBuilder.closing
    }

    /// Makes the soft limit what the hard one is, and says how many that are.
    private static func raised() -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(resource, &limit) == 0 else { return 1024 }
        let before = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        let isRaised = unsafe setrlimit(resource, &limit) == 0
        return Int(clamping: isRaised ? limit.rlim_max : before)
    }

    #if canImport(Glibc)
        private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
        private static let resource = RLIMIT_NOFILE
    #endif
}
