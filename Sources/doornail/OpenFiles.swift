import Foundation
import Serving
import Web

/// The limit of open files. A socket counts as one.
enum OpenFiles {
    /// Takes as many files as the system allows, and shares them out. What the server itself needs comes
    /// first, so that no number of clients keeps it from the database, its files or its metrics.
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
        // 32 for standard streams, listeners, signals and files that are read for a moment; three for each
        // event loop; connections to the database twice, since new ones open before old ones close.
        32 + 3 * cores + 2 * (pool + 1) + HTTPLimits.admin.connections + 2 * ServerBuilder.closing
    }

    /// Raises the soft limit to the hard one, and returns it.
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
