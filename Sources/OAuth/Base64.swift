/// Base64 as the protocol needs it: strict, so that one value has exactly one text.
///
/// A decoder that forgave unused bits, padding or case would accept several spellings of one token,
/// and a cache or a revocation list that knew one of them would miss the others.
package enum Base64 {
    private static let urlAlphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    private static let standardAlphabet =
        urlAlphabet.prefix(62) + [UInt8(ascii: "+"), UInt8(ascii: "/")]

    private static let urlValues = table(last: ("-", "_"))
    private static let standardValues = table(last: ("+", "/"))

    private static func table(last: (Unicode.Scalar, Unicode.Scalar)) -> [UInt8] {
        var values = [UInt8](repeating: 0xFF, count: 256)
        for (value, byte) in urlAlphabet.prefix(62).enumerated() {
            values[Int(byte)] = UInt8(value)
        }
        values[Int(last.0.value)] = 62
        values[Int(last.1.value)] = 63
        return values
    }

    /// Encodes bytes as base64url without padding (RFC 4648 §5).
    package static func encodeURL(_ bytes: some Collection<UInt8>) -> String {
        encode(bytes, alphabet: urlAlphabet)
    }

    /// Encodes bytes as standard base64 without padding, as PHC strings have it.
    package static func encodeStandard(_ bytes: some Collection<UInt8>) -> String {
        encode(bytes, alphabet: Array(standardAlphabet))
    }

    private static func encode(
        _ bytes: some Collection<UInt8>, alphabet: [UInt8]
    ) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count * 4 + 2) / 3)
        var buffer: UInt32 = 0
        var bits = 0
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(alphabet[Int(buffer >> UInt32(bits) & 63)])
            }
        }
        if bits > 0 {
            text.append(alphabet[Int(buffer << UInt32(6 - bits) & 63)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Decodes base64url without padding; nil for any other character, length or set spare bit.
    package static func decodeURL(_ text: some Sequence<UInt8>) -> [UInt8]? {
        decode(Array(text)[...], values: urlValues)
    }

    /// Decodes standard base64 with or without its padding (RFC 4648 §4), as HTTP Basic uses it.
    package static func decodeStandard(_ text: some Collection<UInt8>) -> [UInt8]? {
        let text = Array(text)
        var rest = text[...]
        while rest.last == UInt8(ascii: "=") { rest.removeLast() }
        let padding = text.count - rest.count
        guard padding <= 2, padding == 0 || text.count % 4 == 0 else { return nil }
        return decode(rest, values: standardValues)
    }

    /// It is about arrays: as generic code it cost several times as much.
    private static func decode(_ text: ArraySlice<UInt8>, values: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count * 3 / 4)
        var buffer: UInt32 = 0
        var bits = 0
        for character in text {
            let value = values[Int(character)]
            guard value != 0xFF else { return nil }
            buffer = (buffer << 6 | UInt32(value)) & 0xFFFF
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
            }
        }
        // One character too many holds no byte, and bits after the last byte must be zero.
        guard bits < 6, buffer & ((1 << UInt32(bits)) - 1) == 0 else { return nil }
        return bytes
    }
}
