internal import OAuth

/// What a page may load and where its forms may lead: nothing but what is named (CSP Level 3).
package enum ContentSecurityPolicy {
    /// The header's value for one rendering of a page.
    static func text(
        styleNonce: String, scriptNonce: String?, hasLogo: Bool, formTargets: FormTargets
    ) -> String {
        var directives = ["default-src 'none'", "style-src 'nonce-\(styleNonce)'"]
        if let scriptNonce { directives.append("script-src 'nonce-\(scriptNonce)'") }
        if hasLogo { directives.append("img-src data:") }
        directives.append("base-uri 'none'")
        directives.append("frame-ancestors 'none'")
        directives.append((["form-action 'self'"] + formTargets.sources).joined(separator: " "))
        return directives.joined(separator: "; ")
    }

    /// The source that allows a redirect URI: its origin, or its scheme where that is private; nil
    /// for what may not be registered (``RedirectURI``).
    ///
    /// A source's host has letters, digits, dots and hyphens, and the only address that a browser
    /// must match is 127.0.0.1 (CSP Level 3 §2.3.1, §6.7.2.8). For any other host that a URI may
    /// have, such as `[::1]`, the scheme has to do.
    package static func source(for uri: String) -> String? {
        guard RedirectURI.problem(with: uri) == nil, let scheme = RedirectURI.scheme(of: uri)
        else { return nil }
        guard scheme == "https" || scheme == "http" else { return "\(scheme):" }
        let authority = uri.utf8.dropFirst(scheme.utf8.count + 3).prefix {
            $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?")
        }
        let hostEnd: Substring.UTF8View.Index
        if authority.first == UInt8(ascii: "[") {
            guard let bracket = authority.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            hostEnd = authority.index(after: bracket)
        } else {
            hostEnd = authority.firstIndex(of: UInt8(ascii: ":")) ?? authority.endIndex
        }
        guard let host = HostKind(authority[..<hostEnd]), let port = port(authority[hostEnd...])
        else { return nil }
        switch host {
        case .named(let name): return "\(scheme)://\(name)\(port)"
        case .inexpressible: return "\(scheme):"
        }
    }

    /// `:9000` for `:9000`, nothing for nothing and for a lone colon, nil for anything else.
    private static func port(_ bytes: Substring.UTF8View) -> String? {
        let digits = bytes.dropFirst()
        guard bytes.isEmpty || bytes.first == UInt8(ascii: ":"), digits.count <= 5,
            digits.allSatisfy(isDigit)
        else { return nil }
        return digits.isEmpty ? "" : ":" + String(decoding: digits, as: UTF8.self)
    }

    private enum HostKind {
        case named(String)
        case inexpressible

        /// nil for what is no host at all.
        init?(_ bytes: Substring.UTF8View) {
            let text = String(decoding: bytes, as: UTF8.self).lowercased()
            if bytes.first == UInt8(ascii: "[") {
                let address = bytes.dropFirst().dropLast()
                guard !address.isEmpty, address.allSatisfy(isAddressByte) else { return nil }
                self = .inexpressible
                return
            }
            guard !bytes.isEmpty, bytes.allSatisfy(isHostByte) else { return nil }
            let labels = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            let hasOddLabel = labels.contains { $0.isEmpty || $0.contains(UInt8(ascii: "_")) }
            let isAddress = labels.last?.allSatisfy(isDigit) == true && text != "127.0.0.1"
            self = hasOddLabel || isAddress ? .inexpressible : .named(text)
        }
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: isDigit(byte)
        }
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"),
            UInt8(ascii: ":"), UInt8(ascii: "."):
            true
        default: isDigit(byte)
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}

/// Where a form may lead besides this server, as sources of a policy.
///
/// Chromium and Safari apply `form-action` to the redirects that follow a form's POST too, so a
/// page whose form ends at a client has to name the client (w3c/webappsec-csp#8).
package struct FormTargets: Sendable, Equatable {
    package static let none = FormTargets([])

    package let sources: [String]

    /// The sources of redirect URIs; one that has none is left out, and the form stays here.
    package init(_ uris: [String]) {
        var sources: [String] = []
        for source in uris.compactMap(ContentSecurityPolicy.source(for:))
        where !sources.contains(source) {
            sources.append(source)
        }
        self.sources = sources
    }
}
