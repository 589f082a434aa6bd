/// The parameters of an `application/x-www-form-urlencoded` request (RFC 6749 appendix B).
///
/// A parameter sent without a value counts as omitted and one sent twice is an error
/// (RFC 6749 §3.1, §3.2), except those that a specification lets repeat (`resource`, RFC 8707 §2).
package struct Form: Sendable, Equatable {
    private struct Parameter: Sendable, Equatable {
        let name: String
        let value: String
    }

    /// In the order in which they came. A client sends a handful, and never more than 200: a search beats a
    /// table.
    private var parameters: [Parameter] = []

    /// Parameters that may be sent more than once.
    package static let repeatable: Set<String> = ["resource"]

    /// Parses a body, byte by byte: a broken escape, text that is not UTF-8, a control character
    /// NUL, too many parameters or a repeated one is `invalid_request`.
    package init(parsing body: some Collection<UInt8>) throws(OAuthError) {
        var repeated: Set<String>?
        try self.init(Array(body), &repeated)
    }

    /// Parses a query whose repeated parameters somebody else has to be told of: the first value
    /// stands, and an empty one is none.
    package init(
        parsing query: some Collection<UInt8>, repeated: inout Set<String>
    ) throws(OAuthError) {
        var found: Set<String>? = []
        try self.init(Array(query), &found)
        repeated = found ?? []
    }

    /// It is about arrays: as generic code of another module it cost ten times as much.
    private init(_ body: [UInt8], _ repeated: inout Set<String>?) throws(OAuthError) {
        var count = 0
        var start = 0
        while start < body.count {
            let end = body[start...].firstIndex(of: UInt8(ascii: "&")) ?? body.endIndex
            let pair = body[start..<end]
            start = end + 1
            if pair.isEmpty { continue }
            count += 1
            guard count <= Limits.parameters else {
                throw OAuthError(.tooManyParameters)
            }
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? end
            guard let name = Form.decode(pair[..<equals]) else {
                throw OAuthError(.unreadable(parameter: nil))
            }
            guard let value = Form.decode(pair[min(equals + 1, end)...]) else {
                throw OAuthError(.unreadable(parameter: name))
            }
            if repeated != nil, value.isEmpty { continue }
            guard !parameters.contains(where: { $0.name == name }) || Form.repeatable.contains(name)
            else {
                guard repeated != nil else {
                    throw OAuthError(.repeated(parameter: name))
                }
                repeated?.insert(name)
                continue
            }
            parameters.append(Parameter(name: name, value: value))
        }
    }

    /// The value of a parameter, nil where it was omitted or sent empty.
    package subscript(name: String) -> String? {
        parameters.first { $0.name == name && !$0.value.isEmpty }?.value
    }

    /// What was sent, with or without a value.
    package var names: Set<String> { Set(parameters.map(\.name)) }

    /// All values of a parameter that may repeat.
    package func all(_ name: String) -> [String] {
        parameters.filter { $0.name == name && !$0.value.isEmpty }.map(\.value)
    }

    /// The value of a parameter that must be there, else `invalid_request`.
    package func required(_ name: String) throws(OAuthError) -> String {
        guard let value = self[name] else {
            throw OAuthError(.missing(parameter: name))
        }
        return value
    }

    /// Decodes `+` and percent escapes; nil for a broken escape, NUL, or bytes that are not UTF-8.
    package static func decode(_ encoded: some Collection<UInt8>) -> String? {
        decode(Array(encoded)[...])
    }

    package static func decode(_ encoded: ArraySlice<UInt8>) -> String? {
        // Most have nothing to decode.
        let isPlain = encoded.allSatisfy {
            $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "%") && $0 != 0
        }
        if isPlain { return String(validating: encoded, as: UTF8.self) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(encoded.count)
        var iterator = encoded.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "+"):
                bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let first = iterator.next().flatMap(hexadecimalValue),
                    let second = iterator.next().flatMap(hexadecimalValue)
                else { return nil }
                bytes.append(first << 4 | second)
            default:
                bytes.append(byte)
            }
        }
        guard !bytes.contains(0) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Encodes parameters for a query or a body.
    package static func encode(_ parameters: [(String, String)]) -> String {
        parameters.map { "\(encode($0.0))=\(encode($0.1))" }.joined(separator: "&")
    }

    /// Encodes one text; a space becomes `%20`, which both queries and forms understand.
    package static func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                bytes.append(byte)
            default:
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether a Content-Type names a form; parameters such as `charset=UTF-8` are accepted.
    package static func isForm(contentType: String?) -> Bool {
        guard let contentType else { return false }
        if contentType == form { return true }
        let media = contentType.utf8.prefix { $0 != UInt8(ascii: ";") }
        let trimmed = media.filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
        return String(decoding: trimmed, as: UTF8.self).lowercased() == form
    }

    private static let form = "application/x-www-form-urlencoded"
}
