import Dispatch
import OAuth
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where finished log lines go, without the tokens that somebody put where none belongs.
package struct LogSink: Sendable {
    private let writeLine: @Sendable (String) -> Void

    /// For tests and other places than standard error.
    package init(_ writeLine: @escaping @Sendable (String) -> Void) {
        self.writeLine = writeLine
    }

    package func write(_ line: String) {
        writeLine(TokenMask.masked(line))
    }

    /// Standard error, by a thread of its own: whoever reads it may stop reading, and no request
    /// waits for that. Lines beyond a bound are dropped, and counted in a line once there is room.
    package static let standardError = LogSink { line in
        let place = backlog.withLock { backlog -> Bool in
            guard backlog.waiting < longestBacklog else {
                backlog.dropped += 1
                return false
            }
            backlog.waiting += 1
            return true
        }
        guard place else { return }
        queue.async {
            writeToStandardError(line)
            let dropped = backlog.withLock { backlog in
                backlog.waiting -= 1
                defer { if backlog.waiting == 0 { backlog.dropped = 0 } }
                return backlog.waiting == 0 ? backlog.dropped : 0
            }
            if dropped > 0 {
                writeToStandardError("doornail: \(dropped) log lines were dropped\n")
            }
        }
    }

    /// Waits until what was logged is written, a second at most; before the process ends.
    package static func flushStandardError() {
        let written = DispatchSemaphore(value: 0)
        queue.async { written.signal() }
        _ = written.wait(timeout: .now() + .seconds(1))
    }

    private struct Backlog {
        var waiting = 0
        var dropped = 0
    }

    private static let longestBacklog = 10_000
    private static let backlog = Mutex(Backlog())
    private static let queue = DispatchQueue(label: "doornail.log")

    private static func writeToStandardError(_ line: String) {
        let bytes = Array(line.utf8)
        var start = 0
        while start < bytes.count {
            let written = unsafe bytes[start...].withUnsafeBytes { rest in
                // `rest` is valid for this call and `write` keeps no pointer to it.
                unsafe systemWrite(STDERR_FILENO, rest.baseAddress, rest.count)
            }
            if written > 0 {
                start += written
            } else if errno != EINTR {
                // Nobody reads any more: a line lost is better than a server stopped.
                return
            }
        }
    }
}

/// The system's `write`, which inside ``LogSink`` is hidden by its own.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    unsafe write(descriptor, bytes, count)
}
