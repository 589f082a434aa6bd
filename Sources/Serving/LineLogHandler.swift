package import Logging

extension LogOutput {
    /// A logger that writes here.
    package func logger(label: String) -> Logger {
        Logger(label: label) { LineLogHandler(label: $0, output: self) }
    }
}

/// Writes each log event as one line: time, level, message, then the metadata.
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let output: LogOutput

    init(label: String, output: LogOutput) {
        self.label = label
        self.output = output
        logLevel = output.level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = LogLine(
            output.format, time: output.clock(), level: event.level, label: label,
            message: event.message.description)
        for (key, value) in LogMetadata.merged(metadata, metadataProvider, event) {
            // What everybody has keeps its name; a twin of it in the metadata gets another.
            let isTaken = output.format == .json && Self.reserved.contains(key)
            line.set(isTaken ? "metadata.\(key)" : key, value)
        }
        output.sink.write(line.ended())
    }

    private static let reserved: Set = ["time", "level", "logger", "message"]
}
