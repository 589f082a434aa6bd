/// Where finished log lines go, without the tokens that somebody put where none belongs.
package struct LogSink: Sendable {
    private let take: @Sendable (_ line: [UInt8], _ isAccess: Bool) -> Void

    private init(_ take: @escaping @Sendable ([UInt8], Bool) -> Void) {
        self.take = take
    }

    /// For tests and other places than standard error.
    package init(_ take: @escaping @Sendable (String) -> Void) {
        self.init { line, _ in take(String(decoding: line, as: UTF8.self)) }
    }

    /// - Parameter isAccess: it is a line of the access log, which may be dropped before others.
    func write(_ line: [UInt8], isAccess: Bool = false) {
        take(TokenMask.masked(line), isAccess)
    }

    /// Standard error. What is written there arrives a few milliseconds later, and before
    /// ``flushStandardError()`` returns.
    package static let standardError = LogSink { line, isAccess in
        LogWriter.standardError.write(line, isAccess: isAccess)
    }

    /// Waits until what was logged is written, a second at most; before the process ends.
    package static func flushStandardError() {
        LogWriter.standardError.flush()
    }
}
