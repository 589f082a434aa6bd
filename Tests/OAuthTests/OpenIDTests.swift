import OAuth
import Testing

/// Which key signs, which are published, when a new one is due.
@Suite struct SigningKeyRulesTests {
    private static let hour: Int64 = 3600
    private static let day: Int64 = 86_400

    private static func key(
        _ kid: String, _ createdAt: Int64, _ algorithm: SigningAlgorithm = .rs256,
        isWithdrawn: Bool = false
    ) -> SigningKeyRules.StoredKey {
        SigningKeyRules.StoredKey(
            kid: kid, algorithm: algorithm, createdAt: UnixTime(seconds: createdAt),
            isWithdrawn: isWithdrawn)
    }

    private static let two = [key("a", 0), key("b", 100 * day)]

    @Test(
        arguments: [
            ([], 0, nil, ""), ([key("a", 0)], 0, "a", "a"), ([key("a", 0)], 10, "a", "a"),
            // The next one is published for an hour before it signs.
            (two, 100 * day, "a", "b a"), (two, 100 * day + hour - 1, "a", "b a"),
            (two, 100 * day + hour, "b", "b a"),
            // The one before it is published for two days more.
            (two, 102 * day + hour - 1, "b", "b a"), (two, 102 * day + hour, "b", "b"),
            ([key("a", 0), key("b", 100 * day, isWithdrawn: true)], 200 * day, "a", "a"),
            // Where the only old one is withdrawn, the new one signs at once.
            ([key("a", 0, isWithdrawn: true), key("b", 100 * day)], 100 * day, "b", "b"),
            ([key("a", 0, isWithdrawn: true)], 0, nil, ""),
            ([key("e", 0, .es256)], 0, nil, "e"),
        ] as [([SigningKeyRules.StoredKey], Int64, String?, String)])
    func signs(
        keys: [SigningKeyRules.StoredKey], now: Int64, signer: String?, published: String
    ) {
        let now = UnixTime(seconds: now)
        #expect(SigningKeyRules.signer(.rs256, among: keys, at: now)?.kid == signer)
        #expect(
            SigningKeyRules.published(among: keys, at: now).map(\.kid)
                == published.split(separator: " ").map(String.init))
    }

    @Test(
        arguments: [
            ([], 0, true), ([key("a", 0)], 90 * day - 1, false), ([key("a", 0)], 90 * day, true),
            (two, 189 * day, false), (two, 190 * day, true),
            ([key("a", 0, isWithdrawn: true)], 1, true), ([key("e", 0, .es256)], 1, true),
        ] as [([SigningKeyRules.StoredKey], Int64, Bool)])
    func isDue(keys: [SigningKeyRules.StoredKey], now: Int64, expected: Bool) {
        #expect(
            SigningKeyRules.isDue(.rs256, among: keys, at: UnixTime(seconds: now)) == expected)
    }
}

/// Keys and what they sign.
@Suite struct IDTokenTests {
    private static func set(_ key: SigningKey, others: [SigningKey] = []) async throws
        -> SigningKeySet
    {
        try await SigningKeySet(
            signers: [key], published: [key.publicJWK],
            known: ([key] + others).map(\.publicJWK))
    }

    private static func key(_ algorithm: SigningAlgorithm) throws -> SigningKey {
        var random = SystemRandomNumberGenerator()
        return try SigningKey.generate(
            algorithm, kid: Identifier(milliseconds: 0, using: &random))
    }

    private static let token = IDToken(
        issuer: "https://i.example", subject: Fixture.user.id, clientID: "app",
        issuedAt: UnixTime(seconds: 1_000), expiresAt: UnixTime(seconds: 1_300),
        session: Fixture.session(), authenticatedAt: UnixTime(seconds: 800), nonce: "n",
        accessToken: Redacted("dn_at_x"))

    /// What was signed comes back as a hint, long after it expired, and from this issuer alone.
    @Test(arguments: SigningAlgorithm.allCases)
    func hints(algorithm: SigningAlgorithm) async throws {
        let key = try Self.key(algorithm)
        let set = try await Self.set(key)
        #expect(set.document == "{\"keys\":[\(key.publicJWK)]}")
        let other: SigningAlgorithm = algorithm == .es256 ? .rs256 : .es256
        #expect(try await set.sign(Self.token, by: other) == nil)
        let text = try #require(try await set.sign(Self.token, by: algorithm)).value
        let hint = try #require(await set.hint(text, issuer: "https://i.example"))
        #expect(hint.session == Fixture.session().id)
        #expect(hint.clientID == "app")
        #expect(await set.hint(text, issuer: "https://j.example") == nil)
        // Another key made since: the old one still verifies, and a stranger's does not.
        let next = try Self.key(algorithm)
        #expect(
            try await Self.set(next, others: [key]).hint(text, issuer: "https://i.example")
                == hint)
        #expect(try await Self.set(next).hint(text, issuer: "https://i.example") == nil)
        let parts = text.split(separator: ".").map(String.init)
        for broken in [
            parts[0] + "." + parts[1] + ".", parts[0] + "." + parts[1],
            parts[0] + "." + parts[1] + "." + String(parts[2].dropLast(2)), "", "..", "x.y.z",
            text + "A",
        ] {
            #expect(await set.hint(broken, issuer: "https://i.example") == nil)
        }
    }

    /// A key that is not known by its name is no key: no other stands in for it.
    @Test(arguments: SigningAlgorithm.allCases)
    func aKeyIsNamed(algorithm: SigningAlgorithm) async throws {
        let (key, other) = (try Self.key(algorithm), try Self.key(.es256))
        let text = try #require(
            try await Self.set(key).sign(Self.token, by: algorithm)
        ).value
        // The very key, known under another name alone.
        let renamed = try await SigningKeySet(
            signers: [], published: [],
            known: [key.publicJWK.replacing(key.kid, with: other.kid)])
        #expect(await renamed.hint(text, issuer: "https://i.example") == nil)
    }

    /// A hint serves up to its bound, and is none beyond.
    @Test func aHintIsBounded() async throws {
        let set = try await Self.set(Self.key(.es256))
        var sizes: [Bool: Int] = [:]
        for length in 5_600...5_800 {
            let token = IDToken(
                issuer: "https://i.example", subject: Fixture.user.id, clientID: "app",
                issuedAt: UnixTime(seconds: 1_000), expiresAt: UnixTime(seconds: 1_300),
                session: Fixture.session(), authenticatedAt: UnixTime(seconds: 800),
                nonce: String(repeating: "n", count: length), accessToken: Redacted("dn_at_x"))
            let text = try #require(try await set.sign(token, by: .es256)).value
            let fits = text.utf8.count <= Limits.idTokenBytes
            #expect(await (set.hint(text, issuer: "https://i.example") != nil) == fits)
            sizes[fits] = max(sizes[fits] ?? 0, text.utf8.count)
        }
        // Base64 leaves out every fourth length.
        #expect((sizes[true] ?? 0) >= Limits.idTokenBytes - 1)
        #expect(sizes[false] != nil)
    }

    /// A private part opens under the secret it was sealed under, for the key it is of.
    @Test func privatePartsAreSealed() throws {
        let key = try Self.key(.es256)
        let secret = try ServerSecret("0123456789abcdef0123456789abcdef-a")
        let other = try ServerSecret("0123456789abcdef0123456789abcdef-b")
        let sealed = try key.sealed(under: secret)
        func open(_ kid: String, _ bytes: [UInt8], _ secret: ServerSecret) -> SigningKey? {
            SigningKey(
                kid: kid, algorithm: .es256, publicJWK: key.publicJWK, sealed: bytes, under: secret)
        }
        #expect(open(key.kid, sealed, secret)?.privatePEM.value == key.privatePEM.value)
        #expect(open(key.kid, sealed, other) == nil)
        #expect(open("another", sealed, secret) == nil)
        #expect(open(key.kid, Array(sealed.dropLast()), secret) == nil)
        #expect(open(key.kid, [], secret) == nil)
        #expect("\(key.privatePEM)" == "***")
    }
}
