/// Text that is safe between two tags and in a quoted attribute.
///
/// It is escaped scalar by scalar, since a `Character` may be a quote with a combining mark after
/// it: swift-mustache, which compares by `Character`, lets that quote through. So templates write
/// `{{{name}}}`, which adds nothing, and pages hold only values of this type. (The pragma for plain
/// text would do too, but a partial forgets it.)
package struct HTML: Sendable, Equatable, CustomStringConvertible {
    /// The escaped text, which is what a template gets.
    package let description: String

    /// Text that people read: what would mislead them is replaced.
    package init(_ text: String) {
        self.init(text, isShown: true)
    }

    /// A value that goes back as it came, and that nobody sees.
    init(hidden value: String) {
        self.init(value, isShown: false)
    }

    private init(_ text: String, isShown: Bool) {
        var escaped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped.append(contentsOf: "&amp;".unicodeScalars)
            case "<": escaped.append(contentsOf: "&lt;".unicodeScalars)
            case ">": escaped.append(contentsOf: "&gt;".unicodeScalars)
            case "\"": escaped.append(contentsOf: "&quot;".unicodeScalars)
            case "'": escaped.append(contentsOf: "&#39;".unicodeScalars)
            case _ where isShown && Self.misleads(scalar) || scalar == "\0":
                escaped.append("\u{FFFD}")
            default: escaped.append(scalar)
            }
        }
        description = String(escaped)
    }

    /// Markup, style or script of our own, as it is.
    init(ours markup: String) {
        description = markup
    }

    /// Whether a scalar is a control other than a tab or a new line, or reorders what stands next
    /// to it: a name must not decide how the words around it are read (Unicode TR36 §2.8).
    private static func misleads(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A: false
        case 0x00...0x1F, 0x7F...0x9F: true
        case 0x061C, 0x200E...0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
