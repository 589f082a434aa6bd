internal import OAuth

/// Whose pages they are: the name, the logo and the colour that people know.
package struct Brand: Sendable {
    package static let doornail = Brand()

    package let name: String
    package let logo: Logo?
    package let accent: Color?

    /// Why something is no name, logo or colour, in words that say what to do.
    package struct Invalid: Error, CustomStringConvertible {
        package let description: String
    }

    /// - Parameter name: nil for Doornail's own
    package init(
        name: String? = nil, logo: Logo? = nil, accent: Color? = nil
    ) throws(Invalid) {
        if let name {
            guard name.utf8.count <= Limits.brandNameBytes else {
                throw Invalid(
                    description: "is longer than \(Limits.brandNameBytes) bytes; shorten it")
            }
            guard name.unicodeScalars.contains(where: { !$0.properties.isWhitespace }),
                !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
            else {
                throw Invalid(
                    description: "is blank, or has a control character; write it as it is to be "
                        + "read")
            }
        }
        self.init(valid: name ?? "Doornail", logo: logo, accent: accent)
    }

    private init(valid name: String = "Doornail", logo: Logo? = nil, accent: Color? = nil) {
        self.name = name
        self.logo = logo
        self.accent = accent
    }

    // MARK: Its colours

    /// The grounds that text in the brand's colour stands on; a test compares them with `style.css`.
    package static let lightGrounds = [Color(0xF3EFE8), Color(0xFFFDF9)]
    package static let darkGrounds = [Color(0x141917), Color(0x1E2522)]
    /// What text needs against its ground (WCAG 2.2 §1.4.3).
    package static let contrast = 4.5

    /// Style that comes after ours: by day, the accent itself and a tone of it that can be read as
    /// text; in the dark, such a tone for both.
    var style: String {
        guard let accent else { return "" }
        let link = accent.tone(on: Self.lightGrounds, contrast: Self.contrast)
        let dark = accent.tone(on: Self.darkGrounds, contrast: Self.contrast)
        return """
            :root { --accent: \(accent); --on-accent: \(accent.ink); --link: \(link); }
            @media (prefers-color-scheme: dark) {
              :root { --accent: \(dark); --on-accent: \(dark.ink); --link: \(dark); }
            }

            """
    }
}

/// A picture that a page carries in itself. What it is, its bytes say, and not its name.
package struct Logo: Sendable {
    /// A `data:` URL (RFC 2397).
    package let url: String

    package init(_ bytes: [UInt8]) throws(Brand.Invalid) {
        guard bytes.count <= Limits.brandLogoBytes else {
            throw Brand.Invalid(
                description: "is larger than 64 KiB; make it smaller, it is shown 32 pixels high")
        }
        guard let type = Self.mediaType(of: bytes) else {
            throw Brand.Invalid(description: "is no SVG, PNG, JPEG or WebP; give one of these")
        }
        url = "data:\(type);base64,\(Base64.encodeStandard(bytes))"
    }

    private static func mediaType(of bytes: [UInt8]) -> String? {
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            return "image/png"
        }
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return "image/jpeg" }
        if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) {
            return "image/webp"
        }
        return isSVG(bytes) ? "image/svg+xml" : nil
    }

    /// Whether a text's root is `svg` in SVG's namespace, without which browsers show nothing.
    /// Declarations and comments may come first. As an image it runs no script and loads nothing.
    private static func isSVG(_ bytes: [UInt8]) -> Bool {
        guard let text = String(validating: bytes, as: UTF8.self) else { return false }
        var rest = text.unicodeScalars[...]
        if rest.first == "\u{FEFF}" { rest = rest.dropFirst() }
        while true {
            rest = rest.drop { $0.properties.isWhitespace }
            let end: String.UnicodeScalarView
            if rest.starts(with: "<?".unicodeScalars) {
                end = "?>".unicodeScalars
            } else if rest.starts(with: "<!--".unicodeScalars) {
                end = "-->".unicodeScalars
            } else if rest.starts(with: "<!DOCTYPE".unicodeScalars) {
                end = ">".unicodeScalars
            } else {
                break
            }
            guard let found = rest.firstRange(of: end) else { return false }
            rest = rest[found.upperBound...]
        }
        let tag = rest.prefix { $0 != ">" }
        guard tag.count < rest.count, tag.starts(with: "<svg".unicodeScalars),
            tag.dropFirst(4).first.map({ $0.properties.isWhitespace }) == true
        else { return false }
        return tag.firstRange(of: "http://www.w3.org/2000/svg".unicodeScalars) != nil
    }
}
