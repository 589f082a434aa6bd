package import Logging

/// Writes each log event as a line for people: `10:34:23.120 info  message  key=value`.
package struct TextLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    private let sink: LogSink
    private let clock: @Sendable () -> UTCTime

    package init(
        label: String, level: Logger.Level = .info, sink: LogSink = .standardError,
        clock: @escaping @Sendable () -> UTCTime = UTCTime.now
    ) {
        self.sink = sink
        self.clock = clock
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let level = "\(event.level)"
        var line = "\(clock().rfc3339) \(level)"
        line += String(repeating: " ", count: max(1, 9 - level.utf8.count))
        line += AccessText.harmless(event.message.description, limit: .max)
        for (key, value) in LogMetadata.merged(metadata, metadataProvider, event) {
            line += " \(AccessText.harmless(key, limit: .max))=\(Self.quoted("\(value)"))"
        }
        line += "\n"
        sink.write(line)
    }

    /// As it is where that is one word, in quotes and escaped elsewhere.
    private static func quoted(_ text: String) -> String {
        let isWord =
            !text.isEmpty
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") }
        guard !isWord else { return text }
        var result = ""
        JSONLogHandler.append(text, to: &result)
        return result
    }
}
