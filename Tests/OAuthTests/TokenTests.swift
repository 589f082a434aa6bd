import OAuth
import Testing

@Suite struct TokenCodecTests {
    private func sealed(_ token: AccessToken = Fixture.token()) throws -> String {
        try #require(TokenCodec(Fixture.ring()).seal(token)).value
    }

    @Test(arguments: [
        Fixture.token(),
        Fixture.token(scope: []),
        Fixture.grantToken(),
        Fixture.grantToken(scope: [], audience: []),
        Fixture.grantToken(expiresAt: .min, scope: ["a"], audience: ["https://a.example"]),
        Fixture.token(epoch: .max, expiresAt: .max, audience: ["https://a.example", "urn:b"]),
        Fixture.token(
            scope: (0..<500).map { "scope-\($0)" },
            audience: (0..<32).map { "https://\($0).example/" + String(repeating: "x", count: 900) }
        ),
    ])
    func comesBack(token: AccessToken) throws {
        let text = try sealed(token)
        #expect(text.hasPrefix("dn_at_"))
        #expect(text.utf8.count <= Limits.tokenBytes)
        #expect(try TokenCodec(Fixture.ring()).open(text) == .authentic(.access(token)))
    }

    @Test func everyTruncationIsForged() throws {
        let text = try sealed()
        let codec = TokenCodec(try Fixture.ring())
        for length in 0..<text.count {
            #expect(codec.open(String(text.prefix(length))) == .forged)
        }
    }

    @Test func everyFlippedBitIsRefused() throws {
        let text = try sealed()
        let codec = TokenCodec(try Fixture.ring())
        let bytes = try #require(Base64.decodeURL(text.dropFirst(6).utf8))
        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << UInt8(bit)
                let opened = codec.open("dn_at_" + Base64.encodeURL(flipped))
                #expect(opened == (index == 0 ? .unknownKey : .forged))
            }
        }
    }

    @Test func everyOtherCharacterIsRefused() throws {
        let text = try sealed()
        let codec = TokenCodec(try Fixture.ring())
        let characters = Array(text)
        for index in characters.indices {
            for other in [
                Character(characters[index].lowercased()),
                Character(characters[index].uppercased()), "A", "-", "=", " ", "é",
            ]
            where other != characters[index] {
                var changed = characters
                changed[index] = other
                let opened = codec.open(String(changed))
                #expect(opened == .forged || opened == .unknownKey)
            }
        }
    }

    @Test func additionsAreForged() throws {
        let text = try sealed()
        let codec = TokenCodec(try Fixture.ring())
        for changed in [
            text + "=", text + "==", text + "A", text + " ", " " + text, text + "\n",
            text + "\u{301}", text + text,
        ] {
            #expect(codec.open(changed) == .forged)
        }
        #expect(codec.open(String(repeating: "dn_at_", count: 20_000)) == .forged)
        #expect(codec.open("dn_rt_" + text.dropFirst(6)) == .forged)
        #expect(codec.open("") == .forged)
    }

    @Test func anotherSecretsTokenIsForged() throws {
        let text = try sealed()
        #expect(try TokenCodec(Fixture.ring([(1, Fixture.otherSecret)])).open(text) == .forged)
    }

    @Test func aKeyIDThatThisNodeLacksIsNeitherYesNorNo() throws {
        let text = try sealed()
        let ring = try Fixture.ring([(2, Fixture.otherSecret)], lacking: [1])
        #expect(TokenCodec(ring).open(text) == .secretMissing(keyID: 1))
        #expect(try TokenCodec(Fixture.ring([(2, Fixture.otherSecret)])).open(text) == .unknownKey)
    }

    @Test func eachSecretVerifiesItsOwn() throws {
        let both = try Fixture.ring([(2, Fixture.otherSecret), (1, Fixture.secret)])
        #expect(try TokenCodec(both).open(sealed()) == .authentic(.access(Fixture.token())))
    }
}

@Suite struct SecretRulesTests {
    private func known(_ id: UInt8, _ text: String, retired: Bool = false) throws
        -> SecretRules.StoredSecret
    {
        SecretRules.StoredSecret(
            keyID: id, fingerprint: try ServerSecret(text).fingerprint, isRetired: retired)
    }

    @Test func aNewDatabaseLearnsAll() throws {
        let secrets = try ServerSecret.list(Fixture.secret + "," + Fixture.otherSecret)
        #expect(try SecretRules.unknown(secrets: secrets, known: []).count == 2)
    }

    @Test func anUnretiredSecretMustBeThere() throws {
        let secrets = try ServerSecret.list(Fixture.otherSecret)
        let row = try known(1, Fixture.secret)
        #expect(throws: SecretRules.Refusal.missing(keyIDs: [1])) {
            try SecretRules.unknown(secrets: secrets, known: [row])
        }
    }

    @Test func aRetiredOneNeedNot() throws {
        let secrets = try ServerSecret.list(Fixture.otherSecret)
        let row = try known(1, Fixture.secret, retired: true)
        #expect(try SecretRules.unknown(secrets: secrets, known: [row]).count == 1)
    }

    @Test func retiredOnesAloneAreRefused() throws {
        let secrets = try ServerSecret.list(Fixture.secret)
        let row = try known(1, Fixture.secret, retired: true)
        #expect(throws: SecretRules.Refusal.allRetired) {
            try SecretRules.unknown(secrets: secrets, known: [row])
        }
        #expect(throws: SecretRules.Refusal.allRetired) {
            try SecretRules.ring(secrets: secrets, known: [row], nodes: [])
        }
    }

    /// The first secret signs, once every node lists it.
    @Test(
        arguments: [
            ([], 2), ([[1, 2]], 2), ([[1, 2], [1]], 1), ([[1, 2], [1, 2]], 2), ([[3]], nil),
            ([[]], nil),
        ] as [([Set<UInt8>], UInt8?)])
    func signs(nodes: [Set<UInt8>], keyID: UInt8?) throws {
        let secrets = try ServerSecret.list(Fixture.otherSecret + "," + Fixture.secret)
        let rows = [try known(1, Fixture.secret), try known(2, Fixture.otherSecret)]
        let ring = try SecretRules.ring(secrets: secrets, known: rows, nodes: nodes)
        #expect(ring.signers.first == keyID)
        #expect(ring.held == [1, 2])
        #expect(ring.lacking == [])
    }

    @Test func lackingAreUnretiredAndNotHeld() throws {
        let rows = [
            try known(1, Fixture.secret), try known(2, Fixture.otherSecret),
            try known(3, Fixture.secret + "c", retired: true),
        ]
        let ring = try SecretRules.ring(
            secrets: ServerSecret.list(Fixture.secret), known: rows, nodes: [])
        #expect(ring.lacking == [2])
    }

    @Test(arguments: [
        "short", String(repeating: "x", count: 31), String(repeating: "x", count: 1025),
        String(repeating: "x", count: 40) + "é", String(repeating: "x ", count: 40), "", ",", " , ",
    ])
    func refusesBadSecrets(text: String) {
        let error = #expect(throws: ServerSecret.Invalid.self) { try ServerSecret.list(text) }
        if text.utf8.count > 5 {
            #expect(error?.description.contains(text) == false)
        }
    }

    @Test func listsAreTrimmedAndDistinct() throws {
        let list = try ServerSecret.list(
            " \(Fixture.secret) ,\(Fixture.otherSecret),\n\(Fixture.secret)")
        #expect(list.count == 2)
        var random = SystemRandomNumberGenerator()
        #expect(try ServerSecret.list(ServerSecret.random(using: &random)).count == 1)
    }
}
