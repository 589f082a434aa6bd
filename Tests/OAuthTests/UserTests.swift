import OAuth
import Testing

@Suite struct UsernameTests {
    @Test(arguments: [
        ("ada", "ada", "ada"), ("Ada", "Ada", "ada"), (" ada\t", "ada", "ada"),
        ("\u{A0}ada\u{3000}\n", "ada", "ada"), ("Ada Lovelace", "Ada Lovelace", "ada lovelace"),
        ("ada@example.com", "ada@example.com", "ada@example.com"), ("ÉMILE", "ÉMILE", "émile"),
        ("名前", "名前", "名前"), ("x", "x", "x"), ("0", "0", "0"),
        (
            String(repeating: "x", count: 255), String(repeating: "x", count: 255),
            String(repeating: "x", count: 255)
        ),
        ("a\"'<&>", "a\"'<&>", "a\"'<&>"),
    ])
    func accepts(given: String, text: String, key: String) throws {
        let username = try #require(Username(given))
        #expect(Array(username.text.utf8) == Array(text.utf8))
        #expect(Array(username.key.utf8) == Array(key.utf8))
    }

    @Test(arguments: [
        "", " ", "\t\n", String(repeating: "x", count: 256), String(repeating: "é", count: 128),
        String(repeating: " ", count: 600) + "ada", "a\u{0}b", "a\nb", "a\u{7F}", "a\u{85}b",
        // Marks that nobody sees: a name that looks like another's.
        "ada\u{200B}", "ad\u{200D}a", "\u{202E}ada", "ada\u{FEFF}", "a\u{AD}da", "a\u{2028}b",
        "\u{E000}", "\u{10FFFF}",
        "0197c3d2-4e5f-7a6b-8c9d-0123456789ab", " 0197C3D2-4E5F-7A6B-8C9D-0123456789AB ",
    ])
    func refuses(given: String) {
        #expect(Username(given) == nil)
    }

    @Test func namesThatDifferInCaseAreOne() {
        #expect(Username("ADA")?.key == Username("ada")?.key)
        #expect(Username("ada")?.key != Username("adà")?.key)
    }
}

@Suite struct PasswordHashTests {
    static let cheap = PasswordHash.Cost(logN: 4, r: 1, p: 1)

    /// RFC 7914 §12, as PHC strings: the first half of each output, which the length does not change.
    @Test(arguments: [
        (
            "password",
            "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI"
        ),
        (
            "pleaseletmein",
            "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI"
        ),
    ])
    func theVectorsOfTheStandard(password: String, text: String) throws {
        let hash = try #require(PasswordHash(text))
        #expect(try hash.matches(Redacted(password)))
        #expect(try !hash.matches(Redacted(password + " ")))
        #expect(hash.text == text)
    }

    @Test(arguments: [
        "correct horse", "", "\u{0}", String(repeating: "x", count: 1_024), "pässwörd", "密码密码",
    ])
    func matchesItself(password: String) throws {
        var random = SystemRandomNumberGenerator()
        let hash = try PasswordHash(Redacted(password), cost: Self.cheap, using: &random)
        let read = try #require(PasswordHash(hash.text))
        #expect(read == hash)
        #expect(try read.matches(Redacted(password)))
        for other in [password + "x", password.uppercased() + "!", " " + password] {
            #expect(try !read.matches(Redacted(other)))
        }
    }

    /// Equal passwords have other salts.
    @Test func salts() throws {
        var random = SystemRandomNumberGenerator()
        let texts = try (0..<20).map { _ in
            try PasswordHash(Redacted("same"), cost: Self.cheap, using: &random).text
        }
        #expect(Set(texts).count == 20)
        #expect(texts.allSatisfy { $0.hasPrefix("$scrypt$ln=4,r=1,p=1$") })
    }

    private static let salt = "AAAAAAAAAAAAAAAAAAAAAA"
    private static let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

    @Test(arguments: [
        "", "$", "scrypt", "password", "$scrypt$", "$argon2id$ln=4,r=1,p=1$\(salt)$\(hash)",
        "scrypt$ln=4,r=1,p=1$\(salt)$\(hash)", "$scrypt$ln=4,r=1,p=1$\(salt)",
        "$scrypt$ln=4,r=1,p=1$\(salt)$\(hash)$", "$scrypt$ln=4,r=1,p=1$$\(hash)",
        "$scrypt$ln=4,r=1,p=1$\(salt)$", "$scrypt$ln=4,r=1,p=1$\(salt)$\(salt)",
        "$scrypt$ln=4,r=1,p=1$\(salt)$\(hash)A", "$scrypt$ln=4,r=1,p=1$\(salt)$\(hash.dropLast())B",
        "$scrypt$ln=4,r=1$\(salt)$\(hash)", "$scrypt$ln=4,r=1,q=1$\(salt)$\(hash)",
        "$scrypt$ln=4,r=1,p=1,q=1$\(salt)$\(hash)", "$scrypt$ln=4,r=1,p=x$\(salt)$\(hash)",
        "$scrypt$ln=4,r=1,p$\(salt)$\(hash)", "$scrypt$ln=4,r=1,p=$\(salt)$\(hash)",
        "$scrypt$ln=4,r=1,p=1$!\(salt)$\(hash)", "$SCRYPT$ln=4,r=1,p=1$\(salt)$\(hash)",
        "$scrypt$ln=4,r=1,p=1$\(salt)$\(hash) ", " $scrypt$ln=4,r=1,p=1$\(salt)$\(hash)",
        "$scrypt$ln=4,r=1,p=1$\(salt)$\(hash)\u{301}",
        // A row must not be able to ask for all of our memory or time.
        "$scrypt$ln=0,r=1,p=1$\(salt)$\(hash)", "$scrypt$ln=-1,r=1,p=1$\(salt)$\(hash)",
        "$scrypt$ln=21,r=1,p=1$\(salt)$\(hash)", "$scrypt$ln=64,r=1,p=1$\(salt)$\(hash)",
        "$scrypt$ln=4,r=0,p=1$\(salt)$\(hash)", "$scrypt$ln=4,r=33,p=1$\(salt)$\(hash)",
        "$scrypt$ln=4,r=1,p=0$\(salt)$\(hash)", "$scrypt$ln=4,r=1,p=17$\(salt)$\(hash)",
        "$scrypt$ln=20,r=8,p=1$\(salt)$\(hash)", "$scrypt$ln=17,r=17,p=1$\(salt)$\(hash)",
        "$scrypt$ln=9223372036854775807,r=1,p=1$\(salt)$\(hash)",
        "$scrypt$ln=4,r=9223372036854775807,p=1$\(salt)$\(hash)",
        "$scrypt$ln=99999999999999999999,r=1,p=1$\(salt)$\(hash)",
    ])
    func refuses(text: String) {
        #expect(PasswordHash(text) == nil)
    }

    @Test(arguments: ["ln=15,r=8,p=3", "ln=17,r=16,p=1", "ln=20,r=2,p=1", "ln=1,r=1,p=16"])
    func reads(costs: String) {
        #expect(PasswordHash("$scrypt$\(costs)$\(Self.salt)$\(Self.hash)") != nil)
    }

    /// What a name that nobody has is checked against takes as long, and never matches.
    @Test func nobodys() throws {
        #expect(PasswordHash.nobodys.text.hasPrefix("$scrypt$ln=15,r=8,p=3$"))
        #expect(PasswordHash.Cost.present == PasswordHash.Cost(logN: 15, r: 8, p: 3))
        #expect(try !PasswordHash.nobodys.matches(Redacted("")))
    }

    @Test(arguments: [
        ("", false), ("1234567", false), ("12345678", true), ("       8", true),
        ("éééé", false), ("éééééééé", true), ("密码密码密码密码", true),
        (String(repeating: "x", count: 1_024), true), (String(repeating: "x", count: 1_025), false),
        (String(repeating: "é", count: 512), true), (String(repeating: "é", count: 513), false),
        ("1234\u{0}5678", false), ("1234\n5678", true),
    ])
    func problems(password: String, isFine: Bool) {
        let problem = PasswordHash.problem(with: Redacted(password))
        #expect((problem == nil) == isFine)
        // What is wrong is said without the password.
        if !password.isEmpty, let problem { #expect(!problem.contains(password)) }
    }
}

@Suite struct SessionCookieTests {
    private func cookie() -> SessionCookie {
        var random = SystemRandomNumberGenerator()
        return SessionCookie(session: Fixture.identifier(30), using: &random)
    }

    @Test func comesBack() throws {
        let cookie = cookie()
        let read = try #require(SessionCookie(cookie.text.value))
        #expect(read.session == cookie.session)
        #expect(read.secret == cookie.secret)
        #expect(read.secretHash == cookie.secretHash)
        #expect(cookie.secretHash.count == 32)
        #expect(cookie.secret.value.count == 16)
        #expect(!"\(cookie)".contains(cookie.text.value))
        #expect(Set((0..<100).map { _ in self.cookie().text.value }).count == 100)
    }

    @Test func refusesEverythingElse() {
        let text = cookie().text.value
        for length in 0..<text.count { #expect(SessionCookie(String(text.prefix(length))) == nil) }
        for changed in [
            text + "=", text + "A", " " + text, text + " ", text + "\u{301}", text + text, "é",
            "\"\(text)\"", text + ";", text.dropLast() + "+",
        ] {
            #expect(SessionCookie(changed) == nil)
        }
    }

    enum Verdict: Sendable { case alive, ended, unknown }

    private func verdict(_ verdict: SessionUser.Verdict) -> Verdict {
        switch verdict {
        case .alive: .alive
        case .ended: .ended
        case .unknown: .unknown
        }
    }

    @Test func isCheckedAgainstItsRow() throws {
        let cookie = cookie()
        let other = self.cookie()
        let ended = Liveness.UserState(
            id: Fixture.user.id, username: "ada", epoch: 4, isDisabled: false)
        let disabled = Liveness.UserState(
            id: Fixture.user.id, username: "ada", epoch: 3, isDisabled: true)
        let rows: [(SessionCookie, SessionState?, [UInt8]?, Liveness.UserState?, Verdict)] = [
            (cookie, Fixture.session(), cookie.secretHash, Fixture.user, .alive),
            (cookie, nil, nil, nil, .unknown), (cookie, nil, cookie.secretHash, nil, .unknown),
            (cookie, Fixture.session(), nil, Fixture.user, .unknown),
            // The cookie of an earlier login, or one made up.
            (other, Fixture.session(), cookie.secretHash, Fixture.user, .unknown),
            (cookie, Fixture.session(), cookie.secret.value, Fixture.user, .unknown),
            (cookie, Fixture.session(), [], Fixture.user, .unknown),
            (other, Fixture.session(isRevoked: true), cookie.secretHash, Fixture.user, .unknown),
            (cookie, Fixture.session(isRevoked: true), cookie.secretHash, Fixture.user, .ended),
            (
                cookie, Fixture.session(idleExpiresAt: 1_500), cookie.secretHash, Fixture.user,
                .ended
            ),
            (cookie, Fixture.session(expiresAt: 1_500), cookie.secretHash, Fixture.user, .ended),
            (cookie, Fixture.session(), cookie.secretHash, ended, .ended),
            (cookie, Fixture.session(), cookie.secretHash, disabled, .ended),
            (cookie, Fixture.session(), cookie.secretHash, nil, .ended),
            (cookie, Fixture.session(userEpoch: 2), cookie.secretHash, Fixture.user, .ended),
            (
                cookie, Fixture.session(user: Fixture.identifier(21)), cookie.secretHash,
                Fixture.user, .ended
            ),
        ]
        for (index, row) in rows.enumerated() {
            let found = SessionUser.verify(
                row.0, session: row.1,
                secrets: row.2.map { SessionUser.Secrets(present: $0, previous: nil) },
                user: row.3, at: UnixTime(seconds: 1_500))
            #expect(verdict(found) == row.4, "\(index)")
            // The cookie before the newest one says the same, until that one was used.
            let later = SessionUser.verify(
                row.0, session: row.1,
                secrets: row.2.map {
                    SessionUser.Secrets(present: other.secretHash + [0], previous: $0)
                },
                user: row.3, at: UnixTime(seconds: 1_500))
            #expect(verdict(later) == row.4, "\(index)")
        }
    }

    /// A use is written down at most once in a tenth of the idle time.
    @Test(
        arguments: [
            (1_000, 1_000, false), (1_099, 1_000, false), (1_100, 1_000, true),
            (9_999, 1_000, true), (1_000, 5, false), (1_001, 5, true), (0, 1_000, false),
        ] as [(Int64, Int64, Bool)])
    func uses(now: Int64, idleSeconds: Int64, isDue: Bool) {
        #expect(
            Fixture.session(lastSeenAt: 1_000)
                .isUseDue(at: UnixTime(seconds: now), idleSeconds: idleSeconds) == isDue)
    }
}
