/// Text that is safe between two tags and in a quoted attribute.
///
/// It is escaped scalar by scalar, since a `Character` may be a quote with a combining mark after
/// it: swift-mustache, which compares by `Character`, lets that quote through. So templates write
/// `{{{name}}}`, which adds nothing, and pages hold only values of this type. (The pragma for plain
/// text would do too, but a partial forgets it.)
package struct HTML: Sendable, Hashable, CustomStringConvertible {
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

/// A sentence of ours: `"Allow \(.isolated(name))?"`. A literal and a `String` in it are escaped
/// like any text; only what is ``HTML`` already stays as it is.
extension HTML: ExpressibleByStringInterpolation {
    package init(stringLiteral text: String) {
        self.init(text)
    }

    package init(stringInterpolation: StringInterpolation) {
        self.init(ours: stringInterpolation.markup)
    }

    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var markup = ""

        package init(literalCapacity: Int, interpolationCount: Int) {}

        package mutating func appendLiteral(_ text: String) {
            markup += HTML(text).description
        }

        package mutating func appendInterpolation(_ html: HTML) {
            markup += html.description
        }

        package mutating func appendInterpolation(_ text: String) {
            markup += HTML(text).description
        }

        package mutating func appendInterpolation(_ number: some BinaryInteger) {
            markup += HTML(String(number)).description
        }
    }
}

/// The little markup that a sentence may need.
extension HTML {
    /// A name that strangers chose: its direction stays its own.
    package static func isolated(_ text: String) -> HTML {
        HTML(ours: "<bdi>\(HTML(text))</bdi>")
    }

    /// A person's name, as what the sentence is about.
    package static func strong(_ text: String) -> HTML {
        HTML(ours: "<strong>\(isolated(text))</strong>")
    }

    /// A user name, and how the person is called.
    package static func person(_ username: String, name: String?) -> HTML {
        name.map { "\(strong(username)) (\(isolated($0)))" } ?? strong(username)
    }

    package static func code(_ text: String) -> HTML {
        HTML(ours: "<code>\(HTML(text))</code>")
    }

    /// What machines call something, of which a request may hold any amount.
    package static func parameter(_ name: String) -> HTML {
        code(String(String.UnicodeScalarView(name.unicodeScalars.prefix(100))))
    }

    package static func time(_ words: HTML, exactly moment: String) -> HTML {
        HTML(ours: "<time datetime=\"\(HTML(moment))\">\(words)</time>")
    }
}
