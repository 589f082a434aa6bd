/// Makes what a stranger sent fit for a log: pure.
enum AccessText {
    /// The path without its query, which may hold codes and tokens, cut and harmless.
    static func path(_ target: String) -> String {
        harmless(withoutQuery(target), limit: 200)
    }

    static func withoutQuery(_ target: String) -> String {
        target.utf8.firstIndex { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }
            .map { String(target[..<$0]) } ?? target
    }

    /// At most `limit` bytes of the text, before control characters and line separators are
    /// written as escapes, so that nobody forges a line or steers a terminal.
    static func harmless(_ text: String, limit: Int) -> String {
        if text.utf8.count <= limit, text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
            return text
        }
        var result = String.UnicodeScalarView()
        var bytes = 0
        for scalar in text.unicodeScalars {
            bytes += UTF8.width(scalar)
            guard bytes <= limit else { break }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse,
                .unassigned:
                result.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            default:
                result.append(scalar)
            }
        }
        return String(result)
    }

    static func nanoseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
