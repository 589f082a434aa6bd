package import Logging

/// Where log lines go, and in which form: as much of the log's settings as whoever writes a line has to
/// know.
package struct LogOutput: Sendable {
    package enum Format: String, Sendable, CaseIterable {
        /// One JSON object a line.
        case json
        /// For people: `2026-11-23T10:34:23.120Z info     message key=value`.
        case text
    }

    package let format: Format
    package let level: Logger.Level
    let sink: LogSink
    let clock: @Sendable () -> UTCTime

    package init(
        format: Format = .json, level: Logger.Level = .info, sink: LogSink = .standardError,
        clock: @escaping @Sendable () -> UTCTime = UTCTime.now
    ) {
        self.format = format
        self.level = level
        self.sink = sink
        self.clock = clock
    }
}
