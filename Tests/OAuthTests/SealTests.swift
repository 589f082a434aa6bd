import OAuth
import Testing

/// Refresh tokens, codes and what else is sealed: each opens as what it was, and as nothing else.
@Suite struct SealTests {
    enum Kind: CaseIterable, Sendable { case access, refresh, code }

    private let codec: TokenCodec

    init() throws {
        codec = TokenCodec(try Fixture.ring())
    }

    private func sealed(_ kind: Kind) throws -> String {
        let text =
            switch kind {
            case .access: codec.seal(Fixture.grantToken())
            case .refresh: codec.seal(Fixture.refreshToken())
            case .code: codec.seal(AuthorizationCode(id: Fixture.identifier(50), keyID: 1))
            }
        return try #require(text).value
    }

    enum Opened: Sendable, Equatable { case right, other, forged, unknownKey, secretMissing }

    private func open(_ text: String, as kind: Kind, with codec: TokenCodec? = nil) -> Opened {
        let codec = codec ?? self.codec
        switch kind {
        case .access, .refresh:
            return switch codec.open(text) {
            case .authentic(.access(let token)):
                kind == .access && token == Fixture.grantToken() ? .right : .other
            case .authentic(.refresh(let token)):
                kind == .refresh && token == Fixture.refreshToken() ? .right : .other
            case .forged: .forged
            case .unknownKey: .unknownKey
            case .secretMissing: .secretMissing
            }
        case .code:
            return switch codec.openCode(text) {
            case .authentic(let code): code.id == Fixture.identifier(50) ? .right : .other
            case .forged: .forged
            case .unknownKey: .unknownKey
            case .secretMissing: .secretMissing
            }
        }
    }

    @Test(arguments: [
        RefreshToken(grant: Fixture.identifier(1), generation: 1, keyID: 1),
        RefreshToken(grant: Fixture.identifier(0), generation: .max, keyID: 1),
        RefreshToken(grant: Fixture.identifier(.max), generation: .min, keyID: 1),
    ])
    func refreshTokensComeBack(token: RefreshToken) throws {
        let text = try #require(codec.seal(token)).value
        #expect(text.hasPrefix("dn_rt_"))
        #expect(codec.open(text) == .authentic(.refresh(token)))
        // The same token has one text: a retry gets the same bytes.
        #expect(codec.seal(token)?.value == text)
        let next = RefreshToken(
            grant: token.grant, generation: token.generation &+ 1, keyID: token.keyID)
        #expect(codec.seal(next)?.value != text)
    }

    @Test(arguments: Kind.allCases)
    func comesBack(kind: Kind) throws {
        #expect(open(try sealed(kind), as: kind) == .right)
    }

    @Test(arguments: Kind.allCases)
    func everyTruncationIsForged(kind: Kind) throws {
        let text = try sealed(kind)
        for length in 0..<text.count {
            #expect(open(String(text.prefix(length)), as: kind) == .forged)
        }
        for changed in [
            text + "=", text + "==", text + "A", text + " ", " " + text, text + "\n", text + text,
            text + "\u{301}", "Bearer " + text,
        ] {
            #expect(open(changed, as: kind) == .forged)
        }
    }

    @Test(arguments: Kind.allCases)
    func everyFlippedBitIsRefused(kind: Kind) throws {
        let text = try sealed(kind)
        let bytes = try #require(Base64.decodeURL(text.dropFirst(6).utf8))
        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << UInt8(bit)
                // The first byte is the key id.
                let expected: Opened = index == 0 ? .unknownKey : .forged
                #expect(
                    open(text.prefix(6) + Base64.encodeURL(flipped), as: kind) == expected)
            }
        }
    }

    @Test(arguments: Kind.allCases)
    func everyCaseFlipIsRefused(kind: Kind) throws {
        let characters = Array(try sealed(kind))
        for index in characters.indices {
            let flipped =
                characters[index].isUppercase
                ? characters[index].lowercased() : characters[index].uppercased()
            guard flipped != String(characters[index]) else { continue }
            var changed = characters
            changed[index] = Character(flipped)
            let opened = open(String(changed), as: kind)
            #expect(opened == .forged || opened == .unknownKey)
        }
    }

    /// A text behind another prefix is forged: what it is for is part of its key.
    @Test(arguments: Kind.allCases, ["dn_at_", "dn_rt_", "dn_ac_", "dn_cs_", "DN_AT_", ""])
    func otherPrefixes(kind: Kind, prefix: String) throws {
        let text = try sealed(kind)
        guard !text.hasPrefix(prefix) || prefix.isEmpty else { return }
        for opener in Kind.allCases {
            #expect(open(prefix + text.dropFirst(6), as: opener) == .forged)
            #expect(
                open(prefix + text, as: opener)
                    == (prefix.isEmpty ? open(text, as: opener) : .forged))
        }
    }

    @Test func aCodeIsNoTokenAndATokenNoCode() throws {
        #expect(open(try sealed(.code), as: .access) == .forged)
        #expect(open(try sealed(.access), as: .code) == .forged)
        #expect(open(try sealed(.refresh), as: .code) == .forged)
    }

    /// A payload that is right under the right key, but too long or too short, is forged as well.
    @Test(arguments: [0, 1, 15, 16, 17, 23, 24, 25, 64])
    func lengths(count: Int) throws {
        let payload = [UInt8](repeating: 0, count: count)
        let refresh = try #require(codec.seal(payload, for: .refreshToken, keyID: 1)).value
        let code = try #require(codec.seal(payload, for: .authorizationCode, keyID: 1)).value
        let access = try #require(codec.seal(payload, for: .accessToken, keyID: 1)).value
        #expect(open("dn_rt_" + refresh, as: .refresh) == (count == 24 ? .other : .forged))
        #expect(open("dn_ac_" + code, as: .code) == (count == 16 ? .other : .forged))
        #expect(open("dn_at_" + access, as: .access) == .forged)
    }

    /// One purpose's box never opens as another's.
    @Test(arguments: ServerSecret.Purpose.allCases)
    func boxes(purpose: ServerSecret.Purpose) throws {
        for count in [0, 1, 16, 24, 100] {
            let payload = (0..<count).map { UInt8($0) }
            let text = try #require(codec.seal(payload, for: purpose, keyID: 1)).value
            for other in ServerSecret.Purpose.allCases {
                let opened = codec.open(text.utf8, for: other)
                if other == purpose {
                    guard case .authentic(let sealed) = opened else {
                        Issue.record("\(purpose) did not open")
                        continue
                    }
                    #expect(sealed.bytes == payload)
                    #expect(sealed.keyID == 1)
                } else {
                    #expect(opened == .forged, "\(purpose) as \(other)")
                }
            }
        }
        #expect(codec.seal([], for: purpose, keyID: 2) == nil)
    }

    @Test func keyedHashesDifferByPurposeAndSecret() throws {
        let both = TokenCodec(try Fixture.ring([(1, Fixture.secret), (2, Fixture.otherSecret)]))
        var hashes: Set<[UInt8]> = []
        for purpose in ServerSecret.Purpose.allCases {
            for keyID in [UInt8(1), 2] {
                hashes.insert(try #require(both.keyedHash("ada", for: purpose, keyID: keyID)))
            }
        }
        #expect(hashes.count == ServerSecret.Purpose.allCases.count * 2)
        #expect(
            both.keyedHash("ada", for: .throttle, keyID: 1)
                == codec.keyedHash("ada", for: .throttle, keyID: 1))
        #expect(codec.keyedHash("ada", for: .throttle, keyID: 2) == nil)
    }

    @Test(arguments: Kind.allCases)
    func aSecretThatThisNodeLacks(kind: Kind) throws {
        let text = try sealed(kind)
        let lacking = TokenCodec(try Fixture.ring([(2, Fixture.otherSecret)], lacking: [1]))
        let unknown = TokenCodec(try Fixture.ring([(2, Fixture.otherSecret)]))
        let another = TokenCodec(try Fixture.ring([(1, Fixture.otherSecret)]))
        #expect(open(text, as: kind, with: lacking) == .secretMissing)
        #expect(open(text, as: kind, with: unknown) == .unknownKey)
        #expect(open(text, as: kind, with: another) == .forged)
    }
}
