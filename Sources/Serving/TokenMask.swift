/// Takes tokens, codes and client secrets out of text that others read: `dn_at_` and all that follows of
/// it become `dn_at_…`.
///
/// People and programs put tokens where none belongs: into a path, a parameter's name, a scope. What is
/// said about such a request quotes it.
package enum TokenMask {
    package static func masked(_ text: String) -> String {
        findsNothing(in: text) ? text : String(decoding: masked(Array(text.utf8)), as: UTF8.self)
    }

    /// The same for text that is UTF-8 already.
    package static func masked(_ bytes: [UInt8]) -> [UInt8] {
        guard var start = first(in: bytes.span, from: 0) else { return bytes }
        var result: [UInt8] = []
        var rest = 0
        while true {
            let kind = start + prefixBytes
            result += bytes[rest..<kind]
            result += "…".utf8
            rest = bytes[kind...].firstIndex { !isTokenByte($0) } ?? bytes.endIndex
            guard let next = first(in: bytes.span, from: rest) else { break }
            start = next
        }
        return result + bytes[rest...]
    }

    package static func findsNothing(in text: String) -> Bool {
        first(in: text.utf8Span.span, from: 0) == nil
    }

    private static let prefixBytes = 6

    /// Where the first prefix begins that something follows: `dn_`, two small letters, `_`.
    private static func first(in bytes: Span<UInt8>, from start: Int) -> Int? {
        var index = start
        // Underscores are rarer than letters, so that the third byte is looked at first.
        while index + prefixBytes < bytes.count {
            if bytes[index + 2] == underscore, bytes[index + 5] == underscore,
                bytes[index] == UInt8(ascii: "d"), bytes[index + 1] == UInt8(ascii: "n"),
                isSmallLetter(bytes[index + 3]), isSmallLetter(bytes[index + 4]),
                isTokenByte(bytes[index + prefixBytes])
            {
                return index
            }
            index += 1
        }
        return nil
    }

    private static let underscore = UInt8(ascii: "_")

    private static func isSmallLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
    }

    /// The alphabet of base64url, and its padding.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), underscore, UInt8(ascii: "-"),
            UInt8(ascii: "="):
            true
        default: false
        }
    }
}
