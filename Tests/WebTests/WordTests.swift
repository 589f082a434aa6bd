import OAuth
import Testing
import Web

/// Browsers and times in words.
@Suite struct WordTests {
    @Test(
        arguments: [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux"
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Windows"
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.5; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on macOS"
            ),
            (
                "Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
                "Firefox on Android"
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
                    + "like Gecko) FxiOS/127.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPhone"
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                    + "Chrome/138.0.0.0 Safari/537.36", "Chrome on Windows"
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
                    + "Chrome/138.0.0.0 Mobile Safari/537.36", "Chrome on Android"
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) "
                    + "Chrome/138.0.0.0 Safari/537.36", "Chrome on ChromeOS"
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                    + "HeadlessChrome/138.0.0.0 Safari/537.36", "Chrome on Linux"
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
                    + "like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone"
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like "
                    + "Gecko) Version/17.5 Safari/605.1.15", "Safari on macOS"
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
                    + "Gecko) Version/17.5 Mobile/15E148 Safari/604.1", "Safari on iPad"
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                    + "Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0", "Edge on Windows"
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                    + "Chrome/138.0.0.0 Safari/537.36 OPR/120.0.0.0", "Opera on Windows"
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like "
                    + "Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android"
            ),
            ("curl/8.5.0", "curl"), ("Mozilla/5.0 (X11; Linux x86_64)", "A browser on Linux"),
            ("Mozilla/5.0", "A browser"), ("laptop", "A browser"), ("", "A browser"),
            (nil, "A browser"), ("Firefox", "A browser"), ("Firefox/", "A browser"),
            ("Firefox/x", "A browser"), ("firefox/1", "A browser"), ("NotFirefox/1", "A browser"),
            // What it may say of itself is not repeated, and it is not believed further.
            ("<script>alert(1)</script>", "A browser"),
            ("Firefox/1 <b>\"'&", "Firefox"), ("(Firefox/1) Windows", "A browser"),
            ("(((((((((((((((((((( Linux", "A browser on Linux"),
            (")))) (Windows", "A browser on Windows"),
            ("Firefox/1 (X11; Linux\u{202E})", "A browser"), ("Firefox/1\r\nX: y", "A browser"),
            ("Firefox/1\0", "A browser"), ("Fïrefox/1", "A browser"),
            ("Firefox/1\u{301}", "A browser"),
            ("Your bank on Windows", "A browser"),
        ] as [(String?, String)])
    func deviceNames(userAgent: String?, name: String) {
        #expect(DeviceName.words(for: userAgent, in: Words.english.device) == HTML(name))
    }

    /// However long it is, it is read once.
    @Test func longOnes() {
        let long =
            String(repeating: "(", count: 100_000) + String(repeating: "Linux/1 ", count: 10_000)
        #expect(DeviceName.words(for: long, in: Words.english.device) == "A browser on Linux")
    }

    @Test(
        arguments: [
            (0, "just now"), (-1, "just now"), (-100_000, "just now"), (59, "just now"),
            (60, "1 minute ago"), (119, "1 minute ago"), (120, "2 minutes ago"),
            (3_599, "59 minutes ago"), (3_600, "1 hour ago"), (7_199, "1 hour ago"),
            (7_200, "2 hours ago"), (86_399, "23 hours ago"), (86_400, "yesterday"),
            (172_799, "yesterday"), (172_800, "2 days ago"), (60 * 86_400 - 1, "59 days ago"),
            (60 * 86_400, "2 months ago"), (729 * 86_400, "24 months ago"),
            (730 * 86_400, "2 years ago"), (3_650 * 86_400, "10 years ago"),
        ] as [(Int64, String)])
    func ago(seconds: Int64, words: String) {
        let now = UnixTime(seconds: 1_800_000_000)
        let then = now.adding(seconds: -seconds)
        #expect(TimeWords.ago(then, at: now, in: Words.english.time) == HTML(words))
    }

    /// Whatever a row says, it is no crash.
    @Test func extremes() {
        let (first, last) = (UnixTime(seconds: .min), UnixTime(seconds: .max))
        let words = Words.english.time
        #expect(TimeWords.ago(first, at: last, in: words).description.hasSuffix("years ago"))
        #expect(TimeWords.ago(last, at: first, in: words) == "just now")
        #expect(TimeWords.span(.max, in: words).description.hasSuffix(" days"))
        _ = TimeText(first, at: last, in: .english)
    }

    @Test(
        arguments: [
            (-5, "a minute"), (0, "a minute"), (60, "a minute"), (61, "2 minutes"),
            (7_200, "120 minutes"), (7_201, "3 hours"), (120_960, "34 hours"),
            (172_800, "48 hours"), (172_801, "3 days"), (259_200, "3 days"),
        ] as [(Int64, String)])
    func spans(seconds: Int64, words: String) {
        #expect(TimeWords.span(seconds, in: Words.english.time) == HTML(words))
    }

    @Test func momentsAreExact() throws {
        let now = UnixTime(seconds: 1_800_000_000)
        let page = AccountPage(
            .english, action: "/account", hidden: [], username: "ada", name: nil,
            thisDevice: DeviceText(
                id: "1", userAgent: nil, address: nil, used: TimeText(now, at: now, in: .english),
                begun: TimeText(now.adding(seconds: -7_200), at: now, in: .english), apps: [],
                in: .english),
            devices: [], apps: [], precisionSeconds: 120_960)
        let html = try PageRenderer().render(page).html
        for part in [
            "<time datetime=\"2027-01-15T08:00:00.000Z\">just now</time>",
            "<time datetime=\"2027-01-15T06:00:00.000Z\">2 hours ago</time>",
            "from an address that is not known", "It did not say what it is.",
            "at most once in 34 hours", "You are logged in nowhere else.", "<p>There are none.</p>",
            "autocomplete=\"current-password\" required",
        ] {
            #expect(html.contains(part), "\(part)")
        }
        #expect(html.ranges(of: "autocomplete=\"new-password\" minlength=\"8\"").count == 2)
    }
}
