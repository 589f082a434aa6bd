#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What the process uses, under the names that every Prometheus client library gives.
///
/// Read from `/proc`; where there is none, nothing is written.
struct ProcessMetrics: Sendable {
    func render(to output: inout MetricText) {
        guard let stat = Self.fields(of: "/proc/self/stat") else { return }
        #if os(Linux)
            let pageBytes = Double(sysconf(Int32(_SC_PAGESIZE)))
            let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
        #else
            let pageBytes = 4096.0
            let ticksPerSecond = 100.0
        #endif
        // Counted as in proc(5), but from the third field, the first after the name.
        func field(_ number: Int) -> Double? {
            number - 3 < stat.count ? Double(stat[number - 3]) : nil
        }
        if let user = field(14), let system = field(15) {
            output.family(
                "process_cpu_seconds_total", .counter, help: "User and system CPU time spent.")
            output.sample(
                "process_cpu_seconds_total", [], value: (user + system) / ticksPerSecond)
        }
        if let files = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            output.family("process_open_fds", .gauge, help: "Open file descriptors.")
            output.sample("process_open_fds", [], count: Int64(files.count))
        }
        if let pages = field(24) {
            output.family(
                "process_resident_memory_bytes", .gauge, help: "Memory that is resident.")
            output.sample("process_resident_memory_bytes", [], value: pages * pageBytes)
        }
        if let started = field(22), let boot = Self.bootTime {
            output.family(
                "process_start_time_seconds", .gauge,
                help: "When the process began, in seconds since 1970.")
            output.sample(
                "process_start_time_seconds", [], value: boot + started / ticksPerSecond)
        }
    }

    /// The fields after the process's name, which may itself have blanks and parentheses.
    private static func fields(of path: String) -> [Substring]? {
        guard let text = contents(path), let end = text.lastIndex(of: ")") else { return nil }
        return text[text.index(after: end)...].split(separator: " ")
    }

    private static var bootTime: Double? {
        contents("/proc/stat")?.split(separator: "\n")
            .first { $0.hasPrefix("btime ") }
            .flatMap { Double($0.dropFirst("btime ".count)) }
    }

    private static func contents(_ path: String) -> String? {
        (try? Data(contentsOf: URL(filePath: path))).map { String(decoding: $0, as: UTF8.self) }
    }
}
