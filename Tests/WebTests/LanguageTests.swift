import OAuth
import Testing
import Web

/// Which language a person reads, and that all of it is there.
@Suite struct LanguageTests {
    @Test(
        arguments: [
            (nil, nil, .english), ("", "", .english),
            // What the app asks for comes first.
            ("de", nil, .german), ("de", "en", .german), ("en", "de", .english),
            ("DE-at", "en", .german), ("fr de en", "en", .german), ("fr en de", "de", .english),
            ("fr-CA  de", nil, .german), ("de-Latn-DE-1996", nil, .german),
            ("de-", nil, .german), ("-de", nil, .english), ("d", nil, .english),
            ("deu", nil, .english), ("de_AT", nil, .english), ("*", "de", .german),
            // Unknown or no languages at all: as if it had not been sent.
            ("fr", "de", .german), ("<script>", "de", .german), ("\"\u{301}", "de", .german),
            ("de" + String(repeating: " ", count: 1022), nil, .german),
            ("de" + String(repeating: " ", count: 1023), nil, .english),
            (String(repeating: "x", count: 1025), "de", .german),
            // What the browser prefers.
            (nil, "de", .german), (nil, "DE-de", .german), (nil, "de-AT", .german),
            (nil, "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", .german),
            (nil, "en-US,en;q=0.9,de;q=0.8", .english), (nil, "fr, de;q=0.5", .german),
            (nil, "en;q=0.5, de;q=0.9", .german), (nil, "en;q=0.9, de;q=0.5", .english),
            (nil, "de;q=0.5, en;q=0.5", .german), (nil, "en;q=0.501, de;q=0.5", .english),
            (nil, "de;Q=1.000", .german), (nil, " de\t;\tq=0.1 ,, fr ", .german),
            (nil, ",", .english),
            (nil, "fr, ja;q=0.9", .english), (nil, "de-DE-x-a", .german),
            // Excluded ones, and any other.
            (nil, "de;q=0", .english), (nil, "de;q=0.000, *", .english), (nil, "*", .english),
            (nil, "de;q=0, de-AT", .english), (nil, "de-AT;q=0, de", .german),
            (nil, "en;q=0, *;q=0.1", .german), (nil, "en;q=0", .english),
            (nil, "fr, *;q=0.5", .english), (nil, "de;q=0.1, *;q=0.5", .english),
            (nil, "*;q=0, de", .german), (nil, "*;q=0", .english),
            // Malformed as a whole.
            (nil, "de;q=2", .english), (nil, "de;q=1.001", .english),
            (nil, "de;q=0.1234", .english),
            (nil, "de;q=", .english), (nil, "de;q", .english), (nil, "de;x=1", .english),
            (nil, "de;q=0.5;q=0.6", .english), (nil, "de;q=-1", .english), (nil, "de;", .english),
            (nil, ";q=1, de", .english), (nil, "de en", .english), (nil, "de_DE", .english),
            (nil, "de-", .english), (nil, "-de", .english), (nil, "deutschland-de", .english),
            (nil, "123", .english), (nil, "de, **", .english), (nil, "de-*", .english),
            (nil, "de, d\u{E9}", .english), (nil, "de\u{301}", .english), (nil, "de, \0", .english),
            (nil, "de, " + String(repeating: "a,", count: 510), .german),
            (nil, "de, " + String(repeating: "a,", count: 511), .english),
        ] as [(String?, String?, Language)])
    func choice(uiLocales: String?, acceptLanguage: String?, language: Language) {
        #expect(Language.choose(uiLocales: uiLocales, acceptLanguage: acceptLanguage) == language)
    }

    @Test func tags() {
        for language in Language.allCases {
            #expect(language.words.language == language)
            #expect(Language.choose(uiLocales: language.rawValue, acceptLanguage: nil) == language)
        }
    }

    // MARK: All of it is translated

    /// What two languages say with the same word.
    private static let shared: Set = ["failure.status"]

    @Test func everySentenceIsTranslated() {
        for language in Language.allCases where language != .english {
            let theirs = Dictionary(uniqueKeysWithValues: sentences(of: language.words))
            for (name, ours) in sentences(of: Words.english) {
                #expect(theirs[name]?.description.isEmpty == false, "\(language): \(name)")
                #expect(
                    (theirs[name] == ours) == Self.shared.contains(name), "\(language): \(name)")
            }
            for (ours, theirs) in zip(Self.composed(.english), Self.composed(language.words)) {
                #expect(ours != theirs)
            }
        }
    }

    /// Every sentence with values in it, which no mirror can see into.
    private static func composed(_ words: Words) -> [HTML] {
        let parameters: [OAuthError.Reason] = [
            .missing(parameter: "x"), .repeated(parameter: "x"), .unreadable(parameter: "x"),
            .unreadable(parameter: nil), .tooManyParameters, .tooLong, .notAForm, .unknownClient,
            .unknownRedirectURI, .damagedLink,
        ]
        let times = TimeUnit.allCases.flatMap { unit in
            [
                words.time.span(1, unit), words.time.span(2, unit), words.time.ago(1, unit),
                words.time.ago(2, unit),
            ]
        }
        return parameters.map(words.failure.reason) + times + [
            words.login.toContinue("X"), words.signedIn.lead("X"), words.consent.heading("X"),
            words.consent.ending("X", "Y"), words.account.deviceUse("X", "Y", "Z"),
            words.account.appUse("X", "Y"), words.account.more(1), words.account.more(2),
            words.account.precision("X"), words.account.passwordLength(8),
            words.notice.unfitPassword(8, 1024), words.notice.session("X", true),
            words.notice.session("X", false), words.notice.app("X", true),
            words.notice.app("X", false), words.logout.asked("X"), words.failure.retry("X"),
            words.scope.other("X"), words.device.onSystem("X", "Y"), words.device.onThing("X", "Y"),
        ]
    }

    private func sentences(of value: Any, _ path: String = "") -> [(String, HTML)] {
        Mirror(reflecting: value).children.flatMap { child -> [(String, HTML)] in
            let name = path + (child.label ?? "")
            if let sentence = child.value as? HTML { return [(name, sentence)] }
            return child.value is Language ? [] : sentences(of: child.value, name + ".")
        }
    }

    /// What a page shows in two languages alike is what it was given.
    @Test func noPageMixesLanguages() throws {
        let renderer = try PageRenderer()
        let given: Set = [
            "plain", "plain - Doornail", "Doornail", "Status", "ada", "App", "app", "app.example",
            "r",
        ]
        for (english, german) in zip(
            PageTests.pages("plain") + PageTests.barePages(),
            PageTests.pages("plain", in: .german) + PageTests.barePages(in: .german))
        {
            let (ours, theirs) = (renderer.render(english), renderer.render(german))
            #expect(ours.html.contains("<html lang=\"en\">"))
            #expect(theirs.html.contains("<html lang=\"de\">"))
            #expect(theirs.headers.contains { $0 == ("Content-Language", "de") })
            let alike = texts(of: ours.html).intersection(texts(of: theirs.html))
            #expect(alike.subtracting(given).isEmpty, "\(type(of: english))")
        }
    }

    private func texts(of html: String) -> Set<String> {
        let body = html.replacing(/(?s)<style.*?<\/style>|<script.*?<\/script>/, with: "")
        let parts = body.split(separator: /<[^>]*>/).map {
            String($0.trimmingPrefix(while: \.isWhitespace))
        }
        return Set(parts.filter { $0.contains(where: \.isLetter) })
    }

    /// A sentence in a template would be in one language alone.
    @Test(arguments: PageTemplate.allCases)
    func templatesSayNothingThemselves(template: PageTemplate) {
        let rest = template.text.replacing(/\{\{\{?[^}]*\}?\}\}/, with: "")
        let said = rest.replacing(/<[^>]*>/, with: "").filter(\.isLetter)
        #expect(said.isEmpty)
        let spoken = rest.ranges(of: /(?:alt|title|placeholder|aria-label)="[^"]+"/)
        #expect(spoken.isEmpty)
    }

    // MARK: German

    @Test(
        arguments: [
            ("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "Firefox unter Linux"),
            ("Mozilla/5.0 (Windows NT 10.0) Chrome/138.0", "Chrome unter Windows"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5) Safari/604.1", "Safari auf dem iPhone"),
            ("Mozilla/5.0 (X11; Linux x86_64)", "Ein Browser unter Linux"), (nil, "Ein Browser"),
        ] as [(String?, String)])
    func germanDevices(userAgent: String?, name: String) {
        #expect(DeviceName.words(for: userAgent, in: Words.german.device) == HTML(name))
    }

    @Test(
        arguments: [
            (0, "gerade eben"), (60, "vor 1 Minute"), (120, "vor 2 Minuten"),
            (3_600, "vor 1 Stunde"), (7_200, "vor 2 Stunden"), (86_400, "gestern"),
            (172_800, "vor 2 Tagen"), (60 * 86_400, "vor 2 Monaten"),
            (730 * 86_400, "vor 2 Jahren"),
        ] as [(Int64, String)])
    func germanTimes(seconds: Int64, words: String) {
        let now = UnixTime(seconds: 1_800_000_000)
        let then = now.adding(seconds: -seconds)
        #expect(TimeWords.ago(then, at: now, in: Words.german.time) == HTML(words))
    }

    /// A literal is text, and so is a `String` in it; what is HTML stays.
    @Test func sentences() {
        let name = "<b>\"\u{301}"
        let sentence: HTML = "<i> \(name) \(.isolated(name)) \(.code("&")) \(7)"
        #expect(
            sentence.description.unicodeScalars.elementsEqual(
                ("&lt;i&gt; &lt;b&gt;&quot;\u{301} <bdi>&lt;b&gt;&quot;\u{301}</bdi> "
                    + "<code>&amp;</code> 7").unicodeScalars))
        let long = String(repeating: "x", count: 1000)
        #expect(HTML.parameter(long).description.utf8.count == 100 + "<code></code>".utf8.count)
    }
}
