import OAuth
import Testing
import Web

/// Pages show what strangers wrote, and none of it becomes markup.
@Suite struct PageTests {
    private static let harmless = "plain"

    private static let hostile = [
        #""><script>alert(1)</script>"#,
        "' onfocus=x '",
        "\" onfocus=x \"",
        "\"\u{301}onfocus=x",
        "'\u{200D}onfocus=x",
        "\"\u{FE0F}><b>",
        "<\u{301}b>",
        "&\u{301}lt;&quot;",
        "{{name}}",
        "{{{x}}}",
        "{{#hidden}}x{{/hidden}}",
        "</style></title><!--",
        "a\0b\r\n\u{1B}[31m\u{85}",
        "\u{202E}moc.knab\u{2066}\u{200F}\u{061C}",
        "javascript:alert(1)",
    ]

    /// Every page, every optional member set, with one text wherever a text from outside goes.
    static func pages(_ text: String, in words: Words = .english) -> [any Page] {
        let html = HTML(text)
        let fields = [Field("form_token", "t"), Field(text, text)]
        return [
            LoginPage(
                words, action: text, hidden: fields, username: text, clientName: text, alert: html,
                formTargets: [text]),
            ConsentPage(
                words, action: text, hidden: fields, clientName: text, clientID: text,
                redirectHost: text, username: text, scopes: scopes(text, words), isOffline: true,
                switchAccountURL: text, formTargets: [text]),
            SignedInPage(
                words, username: text, name: text, accountURL: text, logoutURL: text,
                switchAccountURL: text),
            AccountPage(
                words, action: text, hidden: fields, username: text, name: text, notice: html,
                alert: html, thisDevice: device(text, words),
                deviceApps: [app(text, html, words)],
                devices: [device(text, words), device(text, words)], moreDevices: 2, mostDevices: 9,
                apps: [app(text, html, words)], moreApps: 1, precisionSeconds: 120),
            LogoutPage(
                words, action: text, hidden: fields, username: text, clientName: text,
                formTargets: [text]),
            LoggedOutPage(words, returnURL: "https://app.example/?a=1&b='x'"),
            NotLoggedInPage(words),
            ErrorPage(
                words, status: 400, heading: html,
                explanation: words.failure.reason(.missing(parameter: text)), code: text,
                requestID: text, retrySeconds: 30),
            FormPostPage(words, action: text, fields: fields),
        ]
    }

    private static func app(_ text: String, _ html: HTML, _ words: Words) -> AppText {
        AppText(
            id: text, name: text, used: TimeText(ago: html, exact: text),
            begun: TimeText(ago: html, exact: text), scopes: scopes(text, words), in: words)
    }

    private static func scopes(_ text: String, _ words: Words) -> [ScopeText] {
        ["openid", "profile", "email", "offline_access", text].map { ScopeText($0, in: words) }
    }

    private static func device(_ text: String, _ words: Words) -> DeviceText {
        DeviceText(
            id: text, userAgent: text, address: text,
            used: TimeText(ago: HTML(text), exact: text),
            begun: TimeText(ago: HTML(text), exact: text), apps: [text, text], in: words)
    }

    /// The pages with as little in them as they may have.
    static func barePages(in words: Words = .english) -> [any Page] {
        let now = TimeText(ago: words.time.justNow, exact: "now")
        return [
            LoginPage(words, action: "/login", hidden: []),
            ConsentPage(
                words, action: "/authorize", hidden: [], clientName: "App", clientID: "app",
                redirectHost: "app.example", username: "ada", scopes: [], isOffline: false,
                switchAccountURL: "/login", formTargets: []),
            SignedInPage(
                words, username: "ada", name: nil, accountURL: "/account", logoutURL: "/logout",
                switchAccountURL: "/login"),
            AccountPage(
                words, action: "/account", hidden: [], username: "ada", name: nil,
                thisDevice: DeviceText(
                    id: "1", userAgent: nil, address: nil, used: now, begun: now, apps: [],
                    in: words),
                devices: [], apps: [], precisionSeconds: 60),
            LogoutPage(words, action: "/logout", hidden: [], username: "ada"),
            LoggedOutPage(words),
            NotLoggedInPage(words),
            ErrorPage(
                words, status: 500, heading: words.failure.wentWrong,
                explanation: words.failure.serverError, requestID: "r"),
            FormPostPage(words, action: "https://app.example/cb", fields: []),
        ]
    }

    private func header(_ name: String, of page: RenderedPage) -> String? {
        page.headers.first { $0.0 == name }?.1
    }

    // MARK: - What strangers wrote

    @Test(arguments: hostile)
    func hostileTextStaysText(text: String) throws {
        let renderer = try PageRenderer()
        let pairs = Language.allCases.flatMap { language in
            zip(
                Self.pages(Self.harmless, in: language.words), Self.pages(text, in: language.words))
        }
        for (plain, page) in pairs {
            let expected = renderer.render(plain).html
            let html = renderer.render(page).html
            let name = "\(type(of: page))"
            #expect(count("<", in: html) == count("<", in: expected), "\(name)")
            #expect(count("\"", in: html) == count("\"", in: expected), "\(name)")
            #expect(skeleton(html) == skeleton(expected), "\(name)")
            #expect(count("<script>", in: html) == 0, "\(name)")
            #expect(count("' onfocus", in: html) == 0, "\(name)")
            #expect(count("</style>", in: html) == 1, "\(name)")
            // What nobody sees goes back as it came.
            let shown = html.replacing(/<input type="hidden"[^>]*>/, with: "")
            #expect(!shown.unicodeScalars.contains(where: isMisleading), "\(name)")
        }
    }

    @Test(arguments: [
        ("a & b", "a &amp; b"), ("&amp;", "&amp;amp;"), ("<'\">", "&lt;&#39;&quot;&gt;"),
        ("\"\u{301}", "&quot;\u{301}"), ("'\u{200D}x", "&#39;\u{200D}x"),
        ("<\u{FE0F}", "&lt;\u{FE0F}"), ("&\u{338}", "&amp;\u{338}"),
        ("a\tb\nc", "a\tb\nc"), ("\0", "\u{FFFD}"), ("\r\n", "\u{FFFD}\n"), ("\u{7F}", "\u{FFFD}"),
        ("\u{9F}\u{A0}", "\u{FFFD}\u{A0}"), ("\u{202A}\u{202E}", "\u{FFFD}\u{FFFD}"),
        ("\u{2066}\u{2069}\u{200E}\u{200F}", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
        ("שלום, Zoë 👩‍💻", "שלום, Zoë 👩‍💻"), ("{{{x}}}", "{{{x}}}"),
    ])
    func escaping(text: String, escaped: String) {
        // By scalars: as characters, a quote and its escape with an accent could pass for equal.
        #expect(Array(HTML(text).description.unicodeScalars) == Array(escaped.unicodeScalars))
    }

    @Test func nothingIsEscapedTwice() throws {
        let html = try PageRenderer().render(
            LoginPage(
                .english, action: "/login?a=1&b=2", hidden: [Field("q", "\"")], clientName: "A & B")
        ).html
        #expect(count("action=\"/login?a=1&amp;b=2\"", in: html) == 1)
        #expect(count("<bdi>A &amp; B</bdi>", in: html) == 1)
        #expect(count("<input type=\"hidden\" name=\"q\" value=\"&quot;\">", in: html) == 1)
        #expect(count("&amp;amp;", in: html) == 0)
    }

    // MARK: - Templates

    /// swift-mustache's own escaping is by `Character`, and it has tags that undo ours: a template
    /// may insert by `{{{name}}}` alone, and every name has to be there.
    @Test func everyTagResolves() throws {
        let layout = Layout(
            language: .german, title: HTML("t"), brand: try Brand(logo: Logo([0xFF, 0xD8, 0xFF])),
            styleNonce: "n", style: HTML("s"), body: HTML("b"),
            script: Layout.Script(nonce: "n", text: HTML("s")))
        var values: [(PageTemplate, Any)] = [(.layout, layout)]
        for page in Self.pages(Self.harmless) { values.append((type(of: page).template, page)) }
        #expect(Set(values.map(\.0)) == Set(PageTemplate.allCases))
        for (template, value) in values {
            let used = try names(in: template.text, of: value)
            let members = Set(Mirror(reflecting: value).children.compactMap(\.label))
            #expect(members.subtracting(Self.forTheLayout).subtracting(used).isEmpty, "\(template)")
            #expect(isSafe(value), "\(template)")
        }
    }

    private static let forTheLayout: Set = ["formTargets", "language", "words"]

    @Test(arguments: [
        "{{title}}", "{{& title}}", "{{% CONTENT_TYPE:TEXT}}", "{{> login}}", "{{=<% %>=}}",
        "{{! note}}", "{{{absent}}}", "{{#title}}", "{{#title}}{{/body}}", "{{{formTargets}}}",
        "{{{title", "<p title={{{title}}}>", "{{{words}}}", "{{{words.absent}}}",
        "{{{words..title}}}",
        "{{{.words.title}}}",
    ])
    func otherTagsAreRefused(template: String) {
        let page = NotLoggedInPage(.english)
        #expect(throws: (any Error).self) { try names(in: template, of: page) }
    }

    @Test func noTagIsLeftOver() throws {
        let renderer = try PageRenderer()
        for page in Language.allCases.flatMap({
            Self.pages(Self.harmless, in: $0.words) + Self.barePages(in: $0.words)
        }) {
            let html = renderer.render(page).html
            for rest in ["{{", "}}", "Optional(", "nil", "HTML(", "Web."] {
                #expect(count(rest, in: html) == 0, "\(type(of: page)): \(rest)")
            }
            #expect(count("<h1", in: html) == 1)
            #expect(count("<main>", in: html) == 1)
            #expect(count(" autofocus", in: html) <= 1)
        }
    }

    // MARK: - Headers

    @Test func headersConfineThePage() throws {
        let renderer = try PageRenderer()
        for page in Self.barePages() {
            let rendered = renderer.render(page)
            for (name, value) in [
                ("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store"),
                ("Pragma", "no-cache"), ("Vary", "Accept-Language"), ("Content-Language", "en"),
                ("Referrer-Policy", "no-referrer"),
                ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
            ] {
                #expect(header(name, of: rendered) == value)
            }
            #expect(header("Permissions-Policy", of: rendered)?.isEmpty == false)
            #expect(Set(rendered.headers.map(\.0)).count == rendered.headers.count)
            for (_, value) in rendered.headers {
                #expect(value.utf8.allSatisfy { (0x20...0x7E).contains($0) })
            }
        }
    }

    @Test func everyRenderingHasItsOwnNonce() throws {
        let renderer = try PageRenderer()
        var seen: Set<String> = []
        for _ in 0..<3 {
            for page in Self.barePages() where !(page is FormPostPage) {
                let rendered = renderer.render(page)
                let nonces = nonces(in: rendered.html)
                #expect(nonces.count == 1)
                #expect(nonces[0].utf8.count == 22)
                #expect(seen.insert(nonces[0]).inserted)
                #expect(
                    header("Content-Security-Policy", of: rendered)
                        == "default-src 'none'; style-src 'nonce-\(nonces[0])'; base-uri 'none'; "
                        + "frame-ancestors 'none'; form-action 'self'")
                #expect(count("<script", in: rendered.html) == 0)
            }
        }
    }

    @Test func theFormPostPageSendsItself() throws {
        let rendered = try PageRenderer().render(
            FormPostPage(
                .english, action: "https://app.example/cb?x=1",
                fields: [Field("code", "c"), Field("submit", "s")]))
        let nonces = nonces(in: rendered.html)
        #expect(nonces.count == 2)
        #expect(nonces[0] != nonces[1])
        #expect(
            header("Content-Security-Policy", of: rendered)
                == "default-src 'none'; style-src 'nonce-\(nonces[0])'; "
                + "script-src 'nonce-\(nonces[1])'; base-uri 'none'; frame-ancestors 'none'; "
                + "form-action 'self' https://app.example")
        #expect(count("<script nonce=\"\(nonces[1])\">HTMLFormElement", in: rendered.html) == 1)
        #expect(count(">Continue</button>", in: rendered.html) == 1)
        #expect(count("<form", in: rendered.html) == 1)
    }

    @Test func aFormMayEndAtItsTargets() throws {
        let page = LoginPage(
            .english, action: "/login", hidden: [],
            formTargets: [
                "https://app.example/cb", "https://app.example/other", "com.example.app:/cb",
                "x; script-src *",
            ])
        let policy = try #require(
            header("Content-Security-Policy", of: try PageRenderer().render(page)))
        #expect(policy.hasSuffix("; form-action 'self' https://app.example com.example.app:"))
    }

    @Test(
        arguments: [
            ("https://app.example/cb?x=1", "https://app.example"),
            ("HTTPS://App.Example:8443/cb", "https://app.example:8443"),
            ("https://app.example", "https://app.example"),
            ("https://app.example?x", "https://app.example"),
            ("https://app.example:/cb", "https://app.example"),
            ("https://app.example/a;b,c'd", "https://app.example"),
            ("http://127.0.0.1:9000/cb", "http://127.0.0.1:9000"),
            ("http://localhost:9000", "http://localhost:9000"),
            ("http://[::1]:9000/cb", "http:"), ("https://[2001:db8::1]/", "https:"),
            ("https://192.0.2.1/", "https:"), ("http://127.0.0.2:80/", "http:"),
            ("https://a_b.example/", "https:"), ("https://app.example./", "https:"),
            ("com.example.app:/cb", "com.example.app:"), ("Com.Example.App:cb", "com.example.app:"),
            ("https://a.example;script-src/", nil), ("https://a.example,b/", nil),
            ("https://a.example'/", nil), ("https://a.example\"/", nil),
            ("https://a.example /", nil), ("https://a.example/ ;script-src *", nil),
            ("https://a.example\n/", nil), ("https://a.example/\r\nx", nil),
            ("https://a.example\u{301}/", nil), ("https://ä.example/", nil),
            ("https://a.example:80;x/", nil), ("https://a.example:123456/", nil),
            ("https://a.example:x/", nil), ("https://user@a.example/", nil),
            ("https://[::1;]/", nil), ("https://[]/", nil), ("https://[::1]x/", nil),
            ("https://[::1/", nil), ("https://*/", nil), ("https://*.example/", nil),
            ("https://%61.example/", nil), ("https:///cb", nil), ("https:app.example", nil),
            ("http://app.example/", nil), ("javascript:alert(1)", nil), ("data:text/html,x", nil),
            ("myapp:/cb", nil), ("a.b;x:/cb", nil), ("a.b'x:/cb", nil), ("/cb", nil), ("*", nil),
            ("'self'", nil), ("", nil),
        ] as [(String, String?)])
    func sources(uri: String, source: String?) {
        #expect(ContentSecurityPolicy.source(for: uri) == source)
    }

    // MARK: - Words

    @Test func wordsAreExact() throws {
        let renderer = try PageRenderer()
        func html(_ page: some Page) -> String { renderer.render(page).html }
        let login = LoginPage(.english, action: "/", hidden: [], username: "ada")
        #expect(count("value=\"ada\"", in: html(login)) == 1)
        #expect(
            count("autocomplete=\"current-password\" required autofocus>", in: html(login)) == 1)
        let consent = ConsentPage(
            .english, action: "/", hidden: [], clientName: "App", clientID: "app",
            redirectHost: "app.example", username: "ada",
            scopes: ["email", "calendar.read"].map { ScopeText($0, in: .english) },
            isOffline: false, switchAccountURL: "/login", formTargets: [])
        #expect(count("<li>See your email address</li>", in: html(consent)) == 1)
        #expect(count("<li>Use <code>calendar.read</code></li>", in: html(consent)) == 1)
        #expect(count("after you log out", in: html(consent)) == 0)
        let away = LoggedOutPage(.english, returnURL: "javascript:alert(1)")
        #expect(count("<a href=", in: html(away)) == 0)
        for (seconds, words) in [
            (0, "in 1 second."), (119, "in 119 seconds."), (120, "in 2 minutes."),
            (121, "in 3 minutes."), (Int.max, "minutes."),
        ] {
            let page = ErrorPage(
                .english, status: 429, heading: "Wait", explanation: "Too many.", requestID: "r",
                retrySeconds: seconds)
            #expect(count(words, in: html(page)) == 1)
        }
    }
}

// MARK: - Reading HTML, by scalars

/// How often a text occurs. By scalars: to `Character` a quote with an accent is no quote.
private func count(_ needle: String, in text: String) -> Int {
    let needle = Array(needle.utf8)
    let text = Array(text.utf8)
    guard !needle.isEmpty, text.count >= needle.count else { return 0 }
    return (0...(text.count - needle.count)).count { text[$0..<($0 + needle.count)] == needle[...] }
}

private func isMisleading(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x0A, 0x09: false
    case 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069, 0x061C: true
    default: scalar.properties.generalCategory == .control
    }
}

private func nonces(in html: String) -> [String] {
    html.split(separator: " nonce=\"").dropFirst().map { String($0.prefix { $0 != "\"" }) }
}

/// The tags and the names of their attributes, in order, as a browser would find them.
private func skeleton(_ html: String) -> [String] {
    var found: [String] = []
    var rest = Array(html.unicodeScalars)[...]
    while let start = rest.firstIndex(of: "<") {
        rest = rest[(start + 1)...]
        var tag = ""
        var quote: Unicode.Scalar?
        while let scalar = rest.popFirst() {
            if let open = quote {
                if scalar == open { quote = nil }
                continue
            }
            if scalar == ">" { break }
            if scalar == "\"" || scalar == "'" { quote = scalar }
            tag.unicodeScalars.append(scalar)
        }
        found.append(tag)
    }
    return found
}
