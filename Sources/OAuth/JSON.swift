/// A JSON text under construction: the few shapes that answers have, without Foundation.
package struct JSONObject: Sendable {
    private var open: [UInt8] = [UInt8(ascii: "{")]

    package init() {
        open.reserveCapacity(512)
    }

    package mutating func set(_ name: String, _ value: String) {
        key(name)
        append(quoted: value)
    }

    package mutating func set(_ name: String, _ value: Int64) {
        key(name)
        append(String(value))
    }

    package mutating func set(_ name: String, _ value: Bool) {
        key(name)
        append(value ? "true" : "false")
    }

    package mutating func set(_ name: String, _ values: [String]) {
        key(name)
        open.append(UInt8(ascii: "["))
        for (index, value) in values.enumerated() {
            if index > 0 { open.append(UInt8(ascii: ",")) }
            append(quoted: value)
        }
        open.append(UInt8(ascii: "]"))
    }

    /// The finished text.
    package var encoded: String { String(decoding: bytes, as: UTF8.self) }

    /// The finished text as UTF-8.
    package var bytes: [UInt8] { open + [UInt8(ascii: "}")] }

    private mutating func key(_ name: String) {
        if open.count > 1 { open.append(UInt8(ascii: ",")) }
        append(quoted: name)
        open.append(UInt8(ascii: ":"))
    }

    private mutating func append(_ text: String) {
        open.append(contentsOf: text.utf8)
    }

    /// Appends a string in quotes, with the escapes that RFC 8259 §7 requires.
    private mutating func append(quoted value: String) {
        open.append(UInt8(ascii: "\""))
        let bytes = value.utf8Span.span
        for index in bytes.indices {
            switch bytes[index] {
            case UInt8(ascii: "\""): append("\\\"")
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\n"): append("\\n")
            case UInt8(ascii: "\r"): append("\\r")
            case UInt8(ascii: "\t"): append("\\t")
            case let byte where byte < 0x20:
                append((byte < 16 ? "\\u000" : "\\u00") + String(byte, radix: 16))
            case let byte: open.append(byte)
            }
        }
        open.append(UInt8(ascii: "\""))
    }
}
