internal import OAuth
import Serving

/// A language that pages speak, by its tag (RFC 5646). To add one: a case here, and its `Words` in a
/// file of their own.
package enum Language: String, Sendable, CaseIterable {
    case english = "en"
    case german = "de"

    /// The language for a person: the first that the app asks for and we speak (OpenID Connect Core
    /// §3.1.2.1, `ui_locales`), else what the browser prefers (RFC 9110 §12.5.4), else English.
    ///
    /// What is too long, or no list of languages, is as if it had not been sent.
    package static func choose(uiLocales: String?, acceptLanguage: String?) -> Language {
        let asked = uiLocales.map { $0.utf8.count <= Limits.languagesBytes ? $0 : "" } ?? ""
        return asked.utf8.split(separator: UInt8(ascii: " ")).lazy
            .compactMap { Language(range: String(Substring($0)).lowercased()) }.first
            ?? acceptLanguage.flatMap(preferred) ?? .english
    }

    /// What a range stands for, from the most specific down: `de-at`, then `de` (RFC 4647 §3.4).
    private init?(range: String) {
        var rest = range.utf8[...]
        while !rest.isEmpty {
            if let language = Language.allCases.first(where: {
                $0.rawValue.lowercased().utf8.elementsEqual(rest)
            }) {
                self = language
                return
            }
            guard let hyphen = rest.lastIndex(of: UInt8(ascii: "-")) else { return nil }
            rest = rest[..<hyphen]
        }
        return nil
    }

    // MARK: Accept-Language

    /// A range and how much it is wanted, in thousandths.
    private struct Wish {
        let range: String
        let weight: Int
    }

    private static func preferred(_ header: String) -> Language? {
        guard header.utf8.count <= Limits.languagesBytes, let wishes = wishes(header) else {
            return nil
        }
        let excluded = wishes.filter { $0.weight == 0 }.compactMap { Language(rawValue: $0.range) }
        let named = wishes.compactMap { Language(range: $0.range) }
        // Of the same weight, the first; `sorted` does not promise that.
        let ordered = wishes.enumerated().filter { $0.element.weight > 0 }.sorted {
            ($1.element.weight, $0.offset) < ($0.element.weight, $1.offset)
        }
        return ordered.lazy.compactMap { _, wish in
            wish.range == "*"
                ? allCases.first { !named.contains($0) }
                : Language(range: wish.range).flatMap { excluded.contains($0) ? nil : $0 }
        }.first
    }

    /// The ranges of a header, in lower case; nil where it is malformed. A list may have empty
    /// members (RFC 9110 §5.6.1.2).
    private static func wishes(_ header: String) -> [Wish]? {
        var wishes: [Wish] = []
        for member in header.utf8.split(separator: UInt8(ascii: ",")) {
            let parts = member.split(
                separator: UInt8(ascii: ";"), maxSplits: 1, omittingEmptySubsequences: false)
            let range = trimmed(parts[0])
            if range.isEmpty, parts.count == 1 { continue }
            guard isRange(range) else { return nil }
            var weight = 1000
            if parts.count == 2 {
                guard let given = Self.weight(trimmed(parts[1])) else { return nil }
                weight = given
            }
            wishes.append(Wish(range: String(Substring(range)).lowercased(), weight: weight))
        }
        return wishes
    }

    /// `*`, or subtags of one to eight letters, and digits after the first (RFC 4647 §2.1).
    private static func isRange(_ bytes: Substring.UTF8View) -> Bool {
        if bytes.elementsEqual("*".utf8) { return true }
        let subtags = bytes.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return subtags.enumerated().allSatisfy { index, subtag in
            (1...8).contains(subtag.count)
                && subtag.allSatisfy { byte in
                    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                        || index > 0 && isDigit(byte)
                }
        }
    }

    /// `q=0.8` in thousandths (RFC 9110 §12.4.2).
    private static func weight(_ bytes: Substring.UTF8View) -> Int? {
        let value = bytes.dropFirst(2)
        guard bytes.count >= 3, bytes.first.map({ $0 | 0x20 }) == UInt8(ascii: "q"),
            bytes.dropFirst().first == UInt8(ascii: "="),
            let whole = value.first, whole == UInt8(ascii: "0") || whole == UInt8(ascii: "1")
        else { return nil }
        let point = value.dropFirst()
        let digits = point.dropFirst()
        guard point.isEmpty || point.first == UInt8(ascii: "."), digits.count <= 3,
            digits.allSatisfy(isDigit)
        else { return nil }
        var weight = Int(whole - UInt8(ascii: "0"))
        for index in 0..<3 {
            weight = weight * 10 + Int(digits.dropFirst(index).first.map { $0 & 0x0F } ?? 0)
        }
        return weight <= 1000 ? weight : nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
