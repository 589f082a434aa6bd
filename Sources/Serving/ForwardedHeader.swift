/// Reads what proxies say about whom they forward for: pure, for hostile text.
///
/// A hop that names no address is nil and not skipped, since to its left nothing is known.
enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy1, proxy2`, several fields being one list.
    static func xForwardedFor(_ fields: [String]) -> [IPAddress?] {
        fields.flatMap { field in
            field.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
                .map { node(Substring(trimmed($0))) }
        }
    }

    /// `Forwarded: for="[2001:db8::1]:4711";proto=https, for=192.0.2.1` (RFC 7239 §4).
    static func forwarded(_ fields: [String]) -> [IPAddress?] {
        fields.flatMap { field in
            // An open quote swallows what follows: then nothing of the field is certain.
            guard let elements = split(field[...], at: UInt8(ascii: ",")) else {
                return [IPAddress?.none]
            }
            return elements.map(element)
        }
    }

    private static func element(_ text: Substring) -> IPAddress? {
        guard let pairs = split(text, at: UInt8(ascii: ";")) else { return nil }
        var found: IPAddress?
        for pair in pairs {
            let parts = pair.utf8.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false
            ).map { Substring(trimmed($0)) }
            guard parts.count == 2, parts[0].lowercased() == "for" else { continue }
            // RFC 7239 §4: each parameter at most once.
            guard found == nil, let address = unquoted(parts[1]).flatMap({ node($0[...]) }) else {
                return nil
            }
            found = address
        }
        return found
    }

    /// RFC 7239 §6: an address, with brackets and port perhaps; not `unknown`, not `_hidden`.
    private static func node(_ text: Substring) -> IPAddress? {
        let bytes = text.utf8
        if bytes.first == UInt8(ascii: "[") {
            guard let end = bytes.firstIndex(of: UInt8(ascii: "]")),
                isPort(bytes[bytes.index(after: end)...])
            else { return nil }
            let inner = Substring(bytes[bytes.index(after: bytes.startIndex)..<end])
            // Brackets are for IPv6; mapped IPv4 in them comes out as IPv4.
            return inner.utf8.contains(UInt8(ascii: ":")) ? IPAddress(inner) : nil
        }
        if let address = IPAddress(text) { return address }
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), isPort(bytes[colon...]) else {
            return nil
        }
        return IPAddress(Substring(bytes[..<colon]))
    }

    /// Nothing, or a colon and a port, which may be hidden: `:_x1`.
    private static func isPort(_ text: Substring.UTF8View) -> Bool {
        guard let first = text.first else { return true }
        let port = text.dropFirst()
        return first == UInt8(ascii: ":") && !port.isEmpty && port.count <= 32
            && port.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// Splits outside of quoted strings; nil if one is left open.
    private static func split(_ text: Substring, at separator: UInt8) -> [Substring]? {
        var parts: [Substring] = []
        var start = text.startIndex
        var isQuoted = false
        var isEscaped = false
        for index in text.utf8.indices {
            let byte = text.utf8[index]
            if isEscaped {
                isEscaped = false
            } else if isQuoted, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            } else if byte == separator, !isQuoted {
                parts.append(Substring(trimmed(text.utf8[start..<index])))
                start = text.utf8.index(after: index)
            }
        }
        guard !isQuoted else { return nil }
        parts.append(Substring(trimmed(text.utf8[start...])))
        return parts
    }

    private static func unquoted(_ text: Substring) -> String? {
        var bytes = Array(text.utf8)
        guard bytes.first == UInt8(ascii: "\"") else { return String(text) }
        guard bytes.count >= 2, bytes.last == UInt8(ascii: "\"") else { return nil }
        bytes = Array(bytes.dropFirst().dropLast())
        var result: [UInt8] = []
        var isEscaped = false
        for byte in bytes {
            if !isEscaped, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                result.append(byte)
                isEscaped = false
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
