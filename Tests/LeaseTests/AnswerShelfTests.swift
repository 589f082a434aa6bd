import OAuth
import Testing

@testable import Lease

/// How a node lays down what it remembers.
@Suite struct AnswerShelfTests {
    private static let scopes = AnswerCacheTests.scopes

    private static func known(
        _ body: String, audience: [String] = [], text: String = ""
    ) -> RememberedAnswer {
        RememberedAnswer(
            body: Array(body.utf8), client: AnswerCacheTests.id(2), audience: audience,
            text: Array(text.utf8), certainUntil: UnixTime(seconds: 7))
    }

    private static func body(_ shelf: AnswerShelf, _ token: Identifier) -> String? {
        shelf.position(of: token).map { String(decoding: shelf.answer(at: $0).body, as: UTF8.self) }
    }

    @Test func allOfItComesBack() throws {
        var shelf = AnswerShelf(limit: 10_000)
        let known = Self.known("body", audience: ["https://a", "", "é"], text: "dn_at_1")
        shelf.keep(known, of: AnswerCacheTests.id(1), scopes: Self.scopes, tick: 5)
        let position = try #require(shelf.position(of: AnswerCacheTests.id(1)))
        let found = shelf.answer(at: position)
        #expect(Array(found.body) == Array("body".utf8))
        #expect(Array(found.text) == Array("dn_at_1".utf8))
        #expect(["https://a", "", "é"].allSatisfy(found.isFor))
        #expect(!["https://", "a", "https://a\0"].contains(where: found.isFor))
        #expect(found.client == AnswerCacheTests.id(2))
        #expect(found.certainUntil == UnixTime(seconds: 7))
        #expect(shelf.tick(at: position) == 5)
        #expect(shelf.scopes(at: position).session == Self.scopes.session)
        #expect(shelf.scopes(at: position).user == Self.scopes.user)
        shelf.set(tick: 9, at: position)
        #expect(shelf.tick(at: position) == 9)
        #expect(Self.body(shelf, AnswerCacheTests.id(1)) == "body")
    }

    /// Against a dictionary, over several arrays, with ids that collide and others.
    @Test func asADictionary() {
        var shelf = AnswerShelf(limit: 1 << 24)
        var expected: [Identifier: String] = [:]
        var random = SystemRandomNumberGenerator()
        for round in 0..<20_000 {
            let number = UInt64.random(in: 0..<3_000)
            let token =
                number % 2 == 0
                ? AnswerCacheTests.id(number) : AnswerCacheTests.id(number << 40)
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                shelf.remove(token)
                expected[token] = nil
            default:
                let body = String(repeating: "x", count: round % 97) + "\(round)"
                shelf.keep(Self.known(body), of: token, scopes: Self.scopes, tick: 1)
                expected[token] = body
            }
            #expect(Self.body(shelf, token) == expected[token])
        }
        #expect(shelf.count == expected.count)
        for (token, body) in expected { #expect(Self.body(shelf, token) == body) }
        #expect(shelf.position(of: AnswerCacheTests.id(3_001)) == nil)
    }

    /// However many there are, and whichever of a cache's shards it is, each is found at once.
    @Test(arguments: [0, 6, 63] as [UInt64])
    func detoursAreShort(shard: UInt64) {
        var shelf = AnswerShelf(limit: 1 << 24)
        var random = SystemRandomNumberGenerator()
        let tokens = (0..<10_000).map { _ in
            let id = Identifier(milliseconds: 1, using: &random)
            return Identifier(high: id.high, low: id.low & ~63 | shard)
        }
        for token in tokens {
            shelf.keep(Self.known("x"), of: token, scopes: Self.scopes, tick: 1)
        }
        let detours = tokens.compactMap(shelf.detour)
        #expect(detours.count == tokens.count)
        #expect(detours.reduce(0, +) < 2 * tokens.count)
    }

    /// What it says that it takes is what it was allowed, also with what was replaced.
    @Test func itsSize() {
        var shelf = AnswerShelf(limit: 100_000)
        #expect(shelf.bytes == 0)
        func next(_ number: Int) -> RememberedAnswer {
            Self.known(String(repeating: "x", count: number % 97))
        }
        var kept = 0
        while shelf.bytes + AnswerShelf.bytes(of: next(kept)) <= 100_000 {
            shelf.keep(
                next(kept), of: AnswerCacheTests.id(UInt64(kept % 10)), scopes: Self.scopes,
                tick: 1)
            kept += 1
        }
        #expect(shelf.bytes <= 100_000)
        #expect(shelf.bytes > 90_000)
        #expect(kept > 300)
        #expect(shelf.count == 10)
    }

    @Test(arguments: [0, 100, AnswerShelf.chunkBytes, 200_000])
    func whatIsTooLargeIsNotKept(limit: Int) {
        var shelf = AnswerShelf(limit: limit)
        let room = min(max(limit, 4096), AnswerShelf.chunkBytes)
        let large = String(repeating: "x", count: room)
        shelf.keep(
            Self.known(large), of: AnswerCacheTests.id(1), scopes: Self.scopes, tick: 1)
        #expect(!shelf.canKeep(Self.known(large)))
        #expect(shelf.count == 0)
        #expect(Self.body(shelf, AnswerCacheTests.id(1)) == nil)
    }

    @Test func theLargestThatFits() {
        var shelf = AnswerShelf(limit: 1 << 20)
        let room = AnswerShelf.chunkBytes - AnswerShelf.headBytes
        for number in 0..<3 as Range<UInt64> {
            let body = String(repeating: "\(number)", count: room)
            shelf.keep(
                Self.known(body), of: AnswerCacheTests.id(number), scopes: Self.scopes, tick: 1)
        }
        for number in 0..<3 as Range<UInt64> {
            #expect(
                Self.body(shelf, AnswerCacheTests.id(number))
                    == String(repeating: "\(number)", count: room))
        }
    }
}
