import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where finished log lines go.
package struct LogSink: Sendable {
    private let writeLine: @Sendable (String) -> Void

    /// For tests and other places than standard error.
    package init(_ writeLine: @escaping @Sendable (String) -> Void) {
        self.writeLine = writeLine
    }

    package func write(_ line: String) {
        writeLine(line)
    }

    /// Standard error: one `write` for a line, and lines of two threads never mixed.
    package static let standardError = LogSink(writeToStandardError)

    private static func writeToStandardError(_ line: String) {
        let bytes = Array(line.utf8)
        turn.withLock { _ in
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

    private static let turn = Mutex<Void>(())
}

/// The system's `write`, which inside ``LogSink`` is hidden by its own.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    unsafe write(descriptor, bytes, count)
}
