/// A redirect URI that a request may use: made only by matching a registered one, byte by byte
/// (RFC 6749 §3.1.2, RFC 9700 §2.1).
package struct RedirectURI: Sendable, Hashable {
    package let text: String

    /// Takes a requested URI if it is registered; on the loopback addresses `127.0.0.1` and `[::1]`
    /// with any port (RFC 8252 §7.3), since a native application cannot choose its own.
    package init?(_ requested: String, registered: [String]) {
        let bytes = Array(requested.utf8)
        let portless = Self.withoutLoopbackPort(requested)
        let isRegistered = registered.contains { uri in
            Array(uri.utf8) == bytes
                || portless.map { $0 == Self.withoutLoopbackPort(uri) } ?? false
        }
        guard isRegistered, Self.problem(with: requested) == nil else { return nil }
        text = requested
    }

    /// A URI of `http://127.0.0.1` or `http://[::1]` as bytes without its port; nil for any other.
    private static func withoutLoopbackPort(_ text: String) -> [UInt8]? {
        for origin in ["http://127.0.0.1", "http://[::1]"] where text.utf8.starts(with: origin.utf8)
        {
            var rest = text.utf8.dropFirst(origin.utf8.count)
            if rest.first == UInt8(ascii: ":") {
                let digits = rest.dropFirst().prefix {
                    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                }
                guard (1...5).contains(digits.count),
                    let port = Int(Substring(digits)), (1...65535).contains(port)
                else { return nil }
                rest = rest.dropFirst(1 + digits.count)
            }
            guard rest.isEmpty || rest.first == UInt8(ascii: "/") || rest.first == UInt8(ascii: "?")
            else { return nil }
            return Array(origin.utf8) + Array(rest)
        }
        return nil
    }

    /// Whether it is an https URL: the only kind that surely leads to one party.
    package var isHTTPS: Bool { Self.scheme(of: text) == "https" }

    /// Where it leads, for people: the host, or the scheme of a native application.
    package var destination: String {
        guard let scheme = Self.scheme(of: text), scheme == "https" || scheme == "http" else {
            return String(text.prefix { $0 != ":" })
        }
        let rest = text.utf8.dropFirst(scheme.utf8.count + 3)
        return String(Substring(rest.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }))
    }

    /// The URI with parameters added to its query (RFC 6749 §3.1.2).
    package func adding(_ parameters: [(String, String)]) -> String {
        let separator =
            text.utf8.contains(UInt8(ascii: "?"))
            ? (text.hasSuffix("?") || text.hasSuffix("&") ? "" : "&") : "?"
        return text + separator + Form.encode(parameters)
    }

    /// The parameters that answers at `/authorize` have (RFC 6749 §4.1.2, RFC 9207 §2).
    private static let answerParameters: Set<String> = [
        "code", "state", "error", "error_description", "iss",
    ]

    /// A parameter of the URI's own query that an answer has, too: whoever reads the answer would
    /// find it twice, and may take the wrong one.
    package static func answerParameter(in text: String) -> String? {
        guard let mark = text.utf8.firstIndex(of: UInt8(ascii: "?")) else { return nil }
        return text.utf8[mark...].dropFirst().split(separator: UInt8(ascii: "&")).lazy
            .compactMap { Form.decode($0.prefix { $0 != UInt8(ascii: "=") }) }
            .first(where: answerParameters.contains)
    }

    /// Schemes that run or show content instead of handing over to an application.
    private static let forbiddenSchemes: Set<String> = [
        "javascript", "data", "vbscript", "file", "blob", "about", "ftp", "ws", "wss",
        "view-source",
    ]

    /// Why a URI cannot be registered, in words; nil where it can.
    package static func problem(with text: String) -> String? {
        guard text.utf8.count <= Limits.redirectURIBytes else {
            return "is longer than \(Limits.redirectURIBytes) bytes"
        }
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return "has a space, a control character or one outside ASCII; percent-encode it"
        }
        guard !text.utf8.contains(where: { "\\\"<>^`{|}".utf8.contains($0) }) else {
            return "has a character that no URI may contain"
        }
        guard let scheme = scheme(of: text) else { return "is not absolute" }
        guard !forbiddenSchemes.contains(scheme) else { return "has the scheme \(scheme)" }
        guard !text.utf8.contains(UInt8(ascii: "#")) else { return "has a fragment" }
        guard !text.utf8.contains(UInt8(ascii: "*")) else { return "has a wildcard" }
        let rest = text.utf8.dropFirst(scheme.utf8.count + 1)
        if scheme == "https" || scheme == "http" {
            guard rest.starts(with: "//".utf8) else { return "has no host" }
            let authority = rest.dropFirst(2).prefix {
                $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?")
            }
            guard !authority.isEmpty, authority.first != UInt8(ascii: ":") else {
                return "has no host"
            }
            guard !authority.contains(UInt8(ascii: "@")) else { return "has a user name" }
            if scheme == "http", !isLoopback(authority: String(decoding: authority, as: UTF8.self))
            {
                return "is http and not on loopback; use https"
            }
        } else if !scheme.utf8.contains(UInt8(ascii: ".")) {
            return
                "has a private-use scheme without a dot; use one like com.example.app (RFC 8252 §7.1)"
        }
        return nil
    }

    /// The scheme in lower case; nil where the text does not begin with one (RFC 3986 §3.1).
    package static func scheme(of text: String) -> String? {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), colon != text.utf8.startIndex
        else { return nil }
        let scheme = text.utf8[..<colon]
        let isValid = scheme.enumerated().allSatisfy { index, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
                UInt8(ascii: "."):
                index > 0
            default: false
            }
        }
        return isValid ? String(decoding: scheme, as: UTF8.self).lowercased() : nil
    }

    /// Whether an authority is this machine: 127.0.0.0/8, [::1] or localhost, with or without a port.
    package static func isLoopback(authority: String) -> Bool {
        let host: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return false }
            host = authority[authority.index(after: authority.startIndex)..<end]
        } else {
            host = authority.prefix { $0 != ":" }
        }
        if host == "::1" || host.lowercased() == "localhost" { return true }
        let octets = host.split(separator: ".", omittingEmptySubsequences: false)
        return octets.count == 4 && octets.first == "127"
            && octets.allSatisfy { octet in
                (1...3).contains(octet.utf8.count)
                    && octet.utf8.allSatisfy {
                        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    }
                    && Int(octet).map { $0 <= 255 } == true
            }
    }
}
