/// Writes a token's payload: big-endian integers, strings with a 16-bit length.
package struct PayloadWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func append(_ byte: UInt8) {
        bytes.append(byte)
    }

    package mutating func append(_ value: UInt64) {
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }

    package mutating func append(_ identifier: Identifier) {
        append(identifier.high)
        append(identifier.low)
    }

    /// The length fits: a scope has at most 4 KiB and an audience 1 KiB (`Limits`).
    package mutating func append(_ text: String) {
        let utf8 = text.utf8
        bytes.append(UInt8(truncatingIfNeeded: utf8.count >> 8))
        bytes.append(UInt8(truncatingIfNeeded: utf8.count))
        bytes.append(contentsOf: utf8)
    }
}

/// Reads what `PayloadWriter` wrote; nil wherever the payload ends too early.
package struct PayloadReader {
    private var rest: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    package var isAtEnd: Bool { rest.isEmpty }

    package mutating func byte() -> UInt8? {
        rest.popFirst()
    }

    package mutating func integer() -> UInt64? {
        guard rest.count >= 8 else { return nil }
        defer { rest = rest.dropFirst(8) }
        return rest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    package mutating func identifier() -> Identifier? {
        guard let high = integer(), let low = integer() else { return nil }
        return Identifier(high: high, low: low)
    }

    package mutating func string() -> String? {
        guard let high = byte(), let low = byte() else { return nil }
        let count = Int(high) << 8 | Int(low)
        guard rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return String(validating: rest.prefix(count), as: UTF8.self)
    }
}
