import JSON

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
