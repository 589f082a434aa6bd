import OAuth
import Testing

@Suite struct RedirectURITests {
    static let registered = [
        "https://app.example/cb", "https://app.example:8443/cb?x=1", "https://app.example",
        "https://sub.app.example/a/b", "http://127.0.0.1/cb", "http://[::1]/cb",
        "http://localhost:3000/cb", "com.example.app:/cb",
    ]

    @Test(arguments: registered)
    func matchesItselfAlone(uri: String) throws {
        let found = try #require(RedirectURI(uri, registered: Self.registered))
        #expect(found.text == uri)
        #expect(RedirectURI(uri, registered: [uri]) != nil)
        #expect(RedirectURI(uri, registered: Self.registered.filter { $0 != uri }) == nil)
        #expect(RedirectURI(uri, registered: []) == nil)
    }

    /// Hostile spellings of the addresses above: none is one of them.
    static let hostile: [String] = hostileSpellings()

    private static func hostileSpellings() -> [String] {
        let whole: [String] = [
            "", " ", "/", "//", "/cb", "cb", "?x=1", "#", "//app.example/cb", "///app.example/cb",
            "\\\\app.example/cb", "app.example/cb", "https:", "https:/", "https://", "https:///cb",
            "https:app.example/cb", "https:/app.example/cb", "https:\\\\app.example\\cb",
            "http://app.example/cb", "ftp://app.example/cb", "ws://app.example/cb",
            "javascript:alert(1)", "javascript://app.example/cb%0Aalert(1)", "JaVaScRiPt:alert(1)",
            "java\nscript:alert(1)", "\u{1}javascript:alert(1)", "data:text/html,<script>",
            "data:text/html;base64,PHNjcmlwdD4=", "vbscript:msgbox(1)", "file:///etc/passwd",
            "blob:https://app.example/cb", "about:blank", "view-source:https://app.example/cb",
            "intent://app.example/cb#Intent;scheme=https;end", "feed:https://app.example/cb",
            "null", "undefined", "*", "https://*", "https://*.app.example/cb", "https://*/cb",
            // Another host, or none.
            "https://evil.example/cb", "https://app.example.evil.example/cb",
            "https://evilapp.example/cb", "https://app.example.evil/cb", "https://app.examplee/cb",
            "https://app-example/cb", "https://appXexample/cb", "https://app%2Eexample/cb",
            "https://app.example./cb", "https://.app.example/cb", "https://app..example/cb",
            "https://www.app.example/cb", "https://example/cb", "https://xn--app-.example/cb",
            "https://app.exampl\u{435}/cb", "https://\u{430}pp.example/cb",
            "https://app\u{3002}example/cb", "https://app\u{FF0E}example/cb",
            "https://app.example\u{2044}cb", "https://app.example\u{200B}/cb",
            "https://app.example\u{0}/cb", "https://app.example%00/cb", "https://app.example%20/cb",
            // User names.
            "https://app.example@evil.example/cb", "https://app.example:443@evil.example/cb",
            "https://user@app.example/cb", "https://user:pass@app.example/cb",
            "https://@app.example/cb", "https://:@app.example/cb",
            "https://evil.example\\@app.example/cb", "https://evil.example%40app.example/cb",
            "https://app.example%40evil.example/cb", "https://evil.example#@app.example/cb",
            "https://evil.example?@app.example/cb", "https://evil.example/@app.example/cb",
            "https://app.example&@evil.example/cb", "https://app.example;@evil.example/cb",
            "https://evil.example;app.example/cb", "https://evil.example,app.example/cb",
            // Ports.
            "https://app.example:443/cb", "https://app.example:/cb", "https://app.example:80/cb",
            "https://app.example:8443/cb", "https://app.example:0443/cb",
            "https://app.example:99999/cb", "https://app.example:-1/cb",
            "https://app.example:443:443/cb", "https://app.example:8443/cb?x=2",
            "https://app.example:8444/cb?x=1", "https://app.example/cb?x=1",
            // Letter case.
            "HTTPS://app.example/cb", "Https://app.example/cb", "https://APP.example/cb",
            "https://App.Example/cb", "https://app.example/CB", "https://app.example/Cb",
            "COM.example.app:/cb", "com.example.app:/CB", "HTTP://127.0.0.1/cb",
            "http://LOCALHOST:3000/cb",
            // Paths.
            "https://app.example/cb/", "https://app.example//cb", "https://app.example/./cb",
            "https://app.example/../cb", "https://app.example/x/../cb", "https://app.example/cb/.",
            "https://app.example/cb/..", "https://app.example/cb/../evil",
            "https://app.example/cb/../../evil", "https://app.example/cb/..;/evil",
            "https://app.example/cb;/evil", "https://app.example/cb;x", "https://app.example/;/cb",
            "https://app.example/%63b", "https://app.example/c%62", "https://app.example/%2Fcb",
            "https://app.example%2Fcb", "https://app.example/cb%2F", "https://app.example/cb%2f..",
            "https://app.example/%2e%2e/cb", "https://app.example/cb%2e", "https://app.example/cb.",
            "https://app.example/cb%00", "https://app.example/cb%0A", "https://app.example/cb%20",
            "https://app.example/%252Fcb", "https://app.example\\cb", "https://app.example/\\cb",
            "https://app.example/cb\\", "https://app.example/cb\\..\\evil",
            "https://app.example/\tcb", "https://app.example/\ncb", "https://app.example/ cb",
            "https://app.example/cbx", "https://app.example/c", "https://app.example/xcb",
            "https://app.example/cb/cb", "https://app.example/cb,https://evil.example",
            "https://app.example/cb https://evil.example/", "https://app.example/cb|x",
            "https://app.example/cb\"", "https://app.example/cb'", "https://app.example/cb<script>",
            "https://app.example/cb{}", "https://app.example/cb^", "https://app.example/cb`",
            "https://app.example/*", "https://app.example/cb*", "https://app.example/",
            "https://sub.app.example/a", "https://sub.app.example/a/b/c",
            "https://sub.app.example/b/a", "https://app.example/a/b",
            "https://sub.app.example/cb",
            // Queries and fragments.
            "https://app.example/cb?", "https://app.example/cb?x", "https://app.example/cb?&",
            "https://app.example/cb?code=stolen", "https://app.example/cb?next=//evil.example",
            "https://app.example/cb#", "https://app.example/cb#f", "https://app.example/cb%23f",
            "https://app.example/cb#@evil.example", "https://app.example?",
            "https://app.example#", "https://app.example/cb?#",
            "https://app.example:8443/cb?x=1&y=2", "https://app.example:8443/cb?y=2&x=1",
            "https://app.example:8443/cb?x=1&x=1", "https://app.example:8443/cb?x=1&",
            "https://app.example:8443/cb?x=%31", "https://app.example:8443/cb?X=1",
            "https://app.example:8443/cb?x=1#f", "https://app.example:8443/cb?x=1%26y=2",
            // Loopback.
            "http://127.0.0.1/", "http://127.0.0.1", "http://127.0.0.1/cb/", "http://127.0.0.1/CB",
            "http://127.0.0.1/cb?x", "http://127.0.0.1/cb#f", "http://127.0.0.1@evil.example/cb",
            "http://127.0.0.1:80@evil.example/cb", "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:80.evil.example/cb", "http://127.0.0.1evil.example/cb",
            "http://127.0.0.1#@evil.example/cb", "http://127.0.0.1?@evil.example/cb",
            "http://127.0.0.1\\@evil.example/cb", "http://127.0.0.1:cb", "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb", "http://127.0.0.1:65536/cb", "http://127.0.0.1:123456/cb",
            "http://127.0.0.1:-1/cb", "http://127.0.0.1:+80/cb", "http://127.0.0.1: 80/cb",
            "http://127.0.0.1:80 /cb", "http://127.0.0.1:8o/cb", "http://127.0.0.1:80:80/cb",
            "http://127.0.0.1:\u{0661}/cb", "http://127.0.0.1:0x50/cb", "http://127.0.0.2/cb",
            "http://127.1/cb", "http://2130706433/cb", "http://0x7f000001/cb",
            "http://0177.0.0.1/cb", "http://0.0.0.0/cb", "http://[::]/cb",
            "http://localhost/cb", "http://localhost:3001/cb", "http://localhost.:3000/cb",
            "http://localhost:3000@evil.example/cb", "http://localhost:3000/cb/",
            "https://127.0.0.1/cb", "https://localhost:3000/cb", "https://[::1]/cb",
            "http://[::1]", "http://[::1]/", "http://[::1]:0/cb", "http://[::1]:65536/cb",
            "http://[::1].evil.example/cb", "http://[::1]@evil.example/cb", "http://[::1]x/cb",
            "http://[0:0:0:0:0:0:0:1]/cb", "http://[::1%25lo]/cb", "http://[::ffff:127.0.0.1]/cb",
            "http://::1/cb", "http://[127.0.0.1]/cb", "http://[::1/cb",
            // Private-use schemes.
            "com.example.app:cb", "com.example.app://cb", "com.example.app:///cb",
            "com.example.app:/cb/", "com.example.app:/cb?x", "com.example.app:/cb#f",
            "com.example.app2:/cb", "com.example:/cb", "xcom.example.app:/cb",
            "com.example.app:/cb:443", "com.example.app:", "com.example.app%3A/cb",
        ]
        // Every address with something before, after and inside it.
        let marks: [String] = [
            " ", "\t", "\n", "\r", "\r\n", "\u{0}", "%00", "%0d%0a", "\u{FEFF}", "\u{301}", "#",
            "@",
            "\\", ".", "..;/", "é", "\u{202E}", "*",
        ]
        var all = whole
        for uri in registered {
            for mark in marks {
                all.append(mark + uri)
                all.append(uri + mark)
            }
            all.append(uri + "@evil.example")
            all.append("https://evil.example/?" + uri)
            all.append(uri + "," + uri)
        }
        return all
    }

    @Test func theCorpusIsLarge() {
        #expect(Set(Self.hostile.map { Array($0.utf8) }).count > 500)
    }

    @Test func noHostileSpellingMatches() {
        for text in Self.hostile {
            #expect(
                RedirectURI(text, registered: Self.registered) == nil, "\(text.debugDescription)")
        }
    }

    /// What was registered by mistake, or in an older version, is checked again.
    @Test(arguments: [
        "javascript:alert(1)", "data:text/html,x", "http://app.example/cb", "/cb", "",
        "https://app.example/cb#f", "https://*.example/cb", "https://u@app.example/cb",
    ])
    func aBadRegistrationDoesNotServe(uri: String) {
        #expect(RedirectURI(uri, registered: [uri]) == nil)
    }

    /// A native application listens on a port that it did not choose (RFC 8252 §7.3); on the two
    /// addresses alone, and only the port may differ.
    @Test(arguments: [
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb", true),
        ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb", true),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65535/cb", true),
        ("http://127.0.0.1:9000/cb", "http://127.0.0.1/cb", true),
        ("http://127.0.0.1:9000/cb", "http://127.0.0.1:9001/cb", true),
        ("http://127.0.0.1", "http://127.0.0.1:9000", true),
        ("http://127.0.0.1/cb?a=1", "http://127.0.0.1:9000/cb?a=1", true),
        ("http://127.0.0.1?a=1", "http://127.0.0.1:9000?a=1", true),
        ("http://[::1]/cb", "http://[::1]:49152/cb", true),
        ("http://[::1]:1/cb", "http://[::1]:2/cb", true),
        ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:9000/", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:9000", false),
        ("http://127.0.0.1", "http://127.0.0.1:9000/", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:9000/cb?a=1", false),
        ("http://127.0.0.1/cb", "http://[::1]:9000/cb", false),
        ("http://[::1]/cb", "http://127.0.0.1:9000/cb", false),
        ("http://127.0.0.1/cb", "http://localhost:9000/cb", false),
        ("http://localhost/cb", "http://localhost:9000/cb", false),
        ("http://localhost/cb", "http://127.0.0.1:9000/cb", false),
        ("http://127.0.0.2/cb", "http://127.0.0.2:9000/cb", false),
        ("https://127.0.0.1/cb", "https://127.0.0.1:9000/cb", false),
        ("https://app.example/cb", "https://app.example:9000/cb", false),
    ])
    func loopbackPorts(registered: String, requested: String, matches: Bool) {
        let found = RedirectURI(requested, registered: ["https://app.example/x", registered])
        #expect(found?.text == (matches ? requested : nil))
    }

    /// Byte by byte: no letters that look or compare alike.
    @Test func theSameCharactersAreNotTheSameBytes() {
        #expect(
            RedirectURI("https://a.example/e\u{301}", registered: ["https://a.example/\u{e9}"])
                == nil)
        #expect(
            RedirectURI("https://a.example/cb\r\n", registered: ["https://a.example/cb"]) == nil)
    }

    // MARK: What follows it

    @Test(arguments: [
        ("https://a.example/cb", "https://a.example/cb?code=x%20y&state=%26%23"),
        ("https://a.example", "https://a.example?code=x%20y&state=%26%23"),
        ("https://a.example/cb?x=1", "https://a.example/cb?x=1&code=x%20y&state=%26%23"),
        ("https://a.example/cb?", "https://a.example/cb?code=x%20y&state=%26%23"),
        ("https://a.example/cb?x&", "https://a.example/cb?x&code=x%20y&state=%26%23"),
        ("com.example.app:/cb", "com.example.app:/cb?code=x%20y&state=%26%23"),
        ("http://[::1]:9000/cb", "http://[::1]:9000/cb?code=x%20y&state=%26%23"),
    ])
    func adding(uri: String, expected: String) throws {
        let found = try #require(RedirectURI(uri, registered: [uri]))
        #expect(found.adding([("code", "x y"), ("state", "&#")]) == expected)
    }

    @Test(arguments: [
        ("https://a.example/cb", true, "a.example"),
        ("https://a.example:8443/cb", true, "a.example:8443"),
        ("https://a.example?x", true, "a.example"), ("https://a.example", true, "a.example"),
        ("http://127.0.0.1:9000/cb", false, "127.0.0.1:9000"),
        ("http://[::1]/cb", false, "[::1]"), ("com.example.app:/cb", false, "com.example.app"),
    ])
    func isSaidToPeople(uri: String, isHTTPS: Bool, destination: String) throws {
        let found = try #require(RedirectURI(uri, registered: [uri]))
        #expect(found.isHTTPS == isHTTPS)
        #expect(found.destination == destination)
    }
}
