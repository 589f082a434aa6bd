/// A JSON object under construction: the few shapes that documents have, without Foundation.
package struct JSONObject: Sendable {
    private var open: [UInt8] = [UInt8(ascii: "{")]

    package init() {
        open.reserveCapacity(512)
    }

    package mutating func set(_ name: String, _ value: String) {
        key(name)
        JSONText.append(value, to: &open)
    }

    package mutating func set(_ name: String, _ value: Int64) {
        key(name)
        open += String(value).utf8
    }

    package mutating func set(_ name: String, _ value: Bool) {
        key(name)
        open += (value ? "true" : "false").utf8
    }

    package mutating func set(_ name: String, _ values: [String]) {
        array(name, values) { JSONText.append($0, to: &$1) }
    }

    package mutating func set(_ name: String, _ object: JSONObject) {
        key(name)
        open += object.bytes
    }

    package mutating func set(_ name: String, _ objects: [JSONObject]) {
        array(name, objects) { $1 += $0.bytes }
    }

    /// Sets an array of values that are JSON already, as the database keeps keys.
    package mutating func set(_ name: String, encoded values: [String]) {
        array(name, values) { $1 += $0.utf8 }
    }

    /// The finished text.
    package var encoded: String { String(decoding: bytes, as: UTF8.self) }

    /// The finished text as UTF-8.
    package var bytes: [UInt8] { open + [UInt8(ascii: "}")] }

    private mutating func key(_ name: String) {
        if open.count > 1 { open.append(UInt8(ascii: ",")) }
        JSONText.append(name, to: &open)
        open.append(UInt8(ascii: ":"))
    }

    private mutating func array<Element>(
        _ name: String, _ elements: [Element], append: (Element, inout [UInt8]) -> Void
    ) {
        key(name)
        open.append(UInt8(ascii: "["))
        for (index, element) in elements.enumerated() {
            if index > 0 { open.append(UInt8(ascii: ",")) }
            append(element, &open)
        }
        open.append(UInt8(ascii: "]"))
    }
}

/// The one place where text is escaped for JSON.
package enum JSONText {
    /// Appends a string in quotes, with the escapes that RFC 8259 §7 requires.
    ///
    /// DEL, the C1 controls, U+2028 and U+2029 are escaped too: some readers take them for the end of a
    /// line, and terminals act on them.
    package static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        let utf8 = text.utf8Span.span
        if isPlain(utf8) {
            bytes.append(contentsOf: text.utf8)
        } else {
            for scalar in text.unicodeScalars { append(scalar, to: &bytes) }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Whether it is visible ASCII and blanks, without what JSON escapes.
    private static func isPlain(_ bytes: Span<UInt8>) -> Bool {
        for index in bytes.indices {
            let byte = bytes[index]
            if byte < 0x20 || byte > 0x7E || byte == UInt8(ascii: "\"")
                || byte == UInt8(ascii: "\\")
            {
                return false
            }
        }
        return true
    }

    private static func append(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
        switch scalar {
        case "\"": bytes += #"\""#.utf8
        case "\\": bytes += #"\\"#.utf8
        case "\n": bytes += #"\n"#.utf8
        case "\r": bytes += #"\r"#.utf8
        case "\t": bytes += #"\t"#.utf8
        case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}":
            let digits = String(scalar.value, radix: 16)
            bytes += #"\u"#.utf8
            bytes += repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count)
            bytes += digits.utf8
        default: bytes += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
        }
    }
}
