/// A UUID: 16 bytes as two integers.
package struct PostgresUUID: PostgresValue, Hashable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads the canonical form of 36 characters, in either letter case (RFC 9562 §4).
    package init?(_ string: String) {
        var digits: (high: UInt64, low: UInt64, count: Int) = (0, 0, 0)
        var position = 0
        for byte in string.utf8 {
            defer { position += 1 }
            if position == 8 || position == 13 || position == 18 || position == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            if digits.count < 16 {
                digits.high = digits.high << 4 | UInt64(digit)
            } else if digits.count < 32 {
                digits.low = digits.low << 4 | UInt64(digit)
            } else {
                return nil
            }
            digits.count += 1
        }
        guard position == 36, digits.count == 32 else { return nil }
        self.init(high: digits.high, low: digits.low)
    }

    /// The canonical form, in lower case.
    package var description: String {
        var text = ""
        text.reserveCapacity(36)
        for index in 0..<32 {
            if index == 8 || index == 12 || index == 16 || index == 20 { text.append("-") }
            let word = index < 16 ? high : low
            let digit = UInt8(truncatingIfNeeded: word >> (60 - 4 * UInt64(index % 16))) & 15
            let ascii = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
            text.unicodeScalars.append(Unicode.Scalar(ascii))
        }
        return text
    }

    package static var oid: UInt32 { 2950 }
    package static var sample: PostgresUUID { PostgresUUID(high: 0, low: 0) }

    package func encode(into bytes: inout [UInt8]) -> Bool {
        bytes.append(bigEndian: high)
        bytes.append(bigEndian: low)
        return true
    }

    package static func decode(_ bytes: Span<UInt8>) throws(PostgresError) -> PostgresUUID {
        guard bytes.count == 16 else { throw .undecodable("\(bytes.count) bytes for a UUID") }
        return PostgresUUID(
            high: UInt64(bigEndianBytes: bytes.extracting(0..<8)),
            low: UInt64(bigEndianBytes: bytes.extracting(8..<16)))
    }
}
