/// A short name for a browser, in words: `Firefox on Linux`.
///
/// All names are ours: what a browser says of itself proves nothing, and none of it is repeated here.
/// One that says nothing that we know is "A browser".
package enum DeviceName {
    /// Products in the order in which they count: most browsers name others as well as themselves.
    private static let browsers: [(product: String, words: String)] = [
        ("Edg", "Edge"), ("EdgA", "Edge"), ("EdgiOS", "Edge"), ("Edge", "Edge"),
        ("OPR", "Opera"), ("OPX", "Opera"), ("Opera", "Opera"), ("Vivaldi", "Vivaldi"),
        ("YaBrowser", "Yandex Browser"), ("SamsungBrowser", "Samsung Internet"),
        ("DuckDuckGo", "DuckDuckGo"), ("Ddg", "DuckDuckGo"), ("Epiphany", "GNOME Web"),
        ("Focus", "Firefox Focus"), ("FxiOS", "Firefox"), ("Firefox", "Firefox"),
        ("CriOS", "Chrome"), ("HeadlessChrome", "Chrome"), ("Chromium", "Chromium"),
        ("Chrome", "Chrome"), ("Safari", "Safari"), ("curl", "curl"), ("Wget", "Wget"),
    ]

    /// What the comment says of the system, likewise: a phone's comment names a desktop's, too.
    private static let systems: [(mark: String, words: String)] = [
        ("iPhone", "iPhone"), ("iPad", "iPad"), ("iPod", "iPod"), ("Android", "Android"),
        ("CrOS", "ChromeOS"), ("Windows", "Windows"), ("Macintosh", "macOS"),
        ("Mac OS X", "macOS"), ("FreeBSD", "FreeBSD"), ("OpenBSD", "OpenBSD"), ("Linux", "Linux"),
    ]

    /// Those of them that are things.
    private static let things: Set<String> = ["iPhone", "iPad", "iPod"]

    /// The name of a browser by its `User-Agent` (RFC 9110 §10.1.5).
    package static func words(
        for userAgent: String?, in words: Words.DeviceWords
    ) -> HTML {
        // Printable ASCII: nothing else is a browser's.
        guard let userAgent, userAgent.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            return words.unknown
        }
        let (products, comment) = parts(of: Array(userAgent.utf8))
        let browser =
            browsers.first { products.contains($0.product) }.map { HTML($0.words) }
            ?? words.unknown
        guard let system = systems.first(where: { contains(comment, Array($0.mark.utf8)) })?.words
        else { return browser }
        return things.contains(system)
            ? words.onThing(browser, HTML(system)) : words.onSystem(browser, HTML(system))
    }

    /// The products that are named with a version, and the first comment.
    private static func parts(of text: [UInt8]) -> (products: Set<String>, comment: [UInt8]) {
        var products: Set<String> = []
        var comments: [[UInt8]] = []
        var depth = 0
        var word: [UInt8] = []
        func isVersioned(_ word: [UInt8]) -> Int? {
            guard let slash = word.firstIndex(of: UInt8(ascii: "/")), slash + 1 < word.count,
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(word[slash + 1])
            else { return nil }
            return slash
        }
        for byte in text + [UInt8(ascii: " ")] {
            switch byte {
            case UInt8(ascii: "("):
                if depth == 0 { comments.append([]) }
                depth += 1
            case UInt8(ascii: ")"):
                depth = max(0, depth - 1)
            case _ where depth > 0:
                comments[comments.count - 1].append(byte)
            case UInt8(ascii: " "):
                if let slash = isVersioned(word) {
                    products.insert(String(decoding: word[..<slash], as: UTF8.self))
                }
                word = []
            default: word.append(byte)
            }
        }
        return (products, comments.first ?? [])
    }

    private static func contains(_ text: [UInt8], _ mark: [UInt8]) -> Bool {
        guard text.count >= mark.count else { return false }
        return (0...(text.count - mark.count)).contains {
            text[$0..<($0 + mark.count)] == mark[...]
        }
    }
}
