package import Logging

/// Writes each log event as one JSON object on one line: time, level, message, then the metadata.
package struct JSONLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let sink: LogSink
    private let clock: @Sendable () -> UTCTime

    package init(
        label: String, level: Logger.Level = .info, sink: LogSink = .standardError,
        clock: @escaping @Sendable () -> UTCTime = UTCTime.now
    ) {
        self.label = label
        self.sink = sink
        self.clock = clock
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var line = "{\"time\":\"\(clock().rfc3339)\",\"level\":\"\(event.level)\",\"logger\":"
        Self.append(label, to: &line)
        line += ",\"message\":"
        Self.append(event.message.description, to: &line)
        for (key, value) in LogMetadata.merged(metadata, metadataProvider, event) {
            line += ","
            // What everybody has keeps its name; a twin of it in the metadata gets another.
            Self.append(Self.reserved.contains(key) ? "metadata.\(key)" : key, to: &line)
            line += ":"
            Self.append(value, to: &line)
        }
        line += "}\n"
        sink.write(line)
    }

    private static let reserved: Set = ["time", "level", "logger", "message"]

    private static func append(_ value: Logger.MetadataValue, to line: inout String) {
        switch value {
        case .string(let text):
            append(text, to: &line)
        case .stringConvertible(let value):
            if value is any BinaryInteger {
                line += value.description
            } else {
                append(value.description, to: &line)
            }
        case .array(let values):
            line += "["
            for (index, value) in values.enumerated() {
                if index > 0 { line += "," }
                append(value, to: &line)
            }
            line += "]"
        case .dictionary(let values):
            line += "{"
            for (index, (key, value)) in values.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { line += "," }
                append(key, to: &line)
                line += ":"
                append(value, to: &line)
            }
            line += "}"
        }
    }

    /// RFC 8259 §7, and U+2028, U+2029 and DEL too, which some readers take for line ends or act on.
    static func append(_ text: String, to line: inout String) {
        line += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": line += "\\\""
            case "\\": line += "\\\\"
            case "\n": line += "\\n"
            case "\r": line += "\\r"
            case "\t": line += "\\t"
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}":
                let digits = String(scalar.value, radix: 16)
                line += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: line.unicodeScalars.append(scalar)
            }
        }
        line += "\""
    }
}
