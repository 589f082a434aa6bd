/// A JSON text under construction: the few shapes that answers have, without Foundation.
package struct JSONObject: Sendable {
    private var text = "{"

    package init() {}

    package mutating func set(_ name: String, _ value: String) {
        key(name)
        JSONObject.appendQuoted(value, to: &text)
    }

    package mutating func set(_ name: String, _ value: Int64) {
        key(name)
        text += String(value)
    }

    package mutating func set(_ name: String, _ value: Bool) {
        key(name)
        text += value ? "true" : "false"
    }

    package mutating func set(_ name: String, _ values: [String]) {
        key(name)
        text += "["
        for (index, value) in values.enumerated() {
            if index > 0 { text += "," }
            JSONObject.appendQuoted(value, to: &text)
        }
        text += "]"
    }

    /// The finished text.
    package var encoded: String { text + "}" }

    private mutating func key(_ name: String) {
        if text.utf8.count > 1 { text += "," }
        JSONObject.appendQuoted(name, to: &text)
        text += ":"
    }

    /// Appends a string in quotes, with the escapes that RFC 8259 §7 requires.
    private static func appendQuoted(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
