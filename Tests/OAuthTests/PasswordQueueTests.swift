import OAuth
import Testing

/// Who may have a password examined, and who is next.
@Suite struct PasswordQueueTests {
    private typealias Claim = PasswordQueue.Claim

    /// A claim in words: who asks, and for whose account. Digits are addresses, letters browsers that
    /// the account knows.
    private static func claim(_ words: String) -> Claim {
        let (asker, account) = (words.prefix { $0 != " " }, words.drop { $0 != " " }.dropFirst())
        return Claim(
            account: String(account),
            asker: Int(asker) == nil
                ? .known(Fixture.identifier(asker.utf8.reduce(0) { $0 << 8 | UInt64($1) }))
                : .stranger(network: String(asker)))
    }

    private static func claims(_ number: Int, _ words: (Int) -> String) -> [Claim] {
        (0..<number).map { claim(words($0)) }
    }

    private static let different = claims(24) { "\($0) person\($0)" }

    /// (who is there, who asks, and whether there is a place)
    @Test(
        arguments: [
            ([], "1 ada", nil), ([], "a ada", nil),
            // One account from one address, or from one browser that it knows.
            (claims(3) { _ in "1 ada" }, "1 ada", nil),
            (claims(4) { _ in "1 ada" }, "1 ada", .tooManyAlike),
            (claims(4) { _ in "1 ada" }, "1 bob", nil), (claims(4) { _ in "1 ada" }, "2 ada", nil),
            (claims(4) { _ in "1 ada" }, "a ada", nil),
            (claims(3) { _ in "a ada" }, "a ada", nil),
            (claims(4) { _ in "a ada" }, "a ada", .tooManyAlike),
            (claims(4) { _ in "a ada" }, "b ada", nil), (claims(4) { _ in "a ada" }, "1 ada", nil),
            // One account from many addresses, or browsers.
            (claims(7) { "\($0) ada" }, "9 ada", nil),
            (claims(8) { "\($0) ada" }, "9 ada", .tooManyAlike),
            (claims(8) { "\($0) ada" }, "9 bob", nil), (claims(8) { "\($0) ada" }, "a ada", nil),
            (claims(8) { $0 < 4 ? "a ada" : "b ada" }, "c ada", .tooManyAlike),
            (claims(8) { $0 < 4 ? "a ada" : "b ada" }, "9 ada", nil),
            // Many accounts from one address.
            (claims(11) { "1 person\($0)" }, "1 ada", nil),
            (claims(12) { "1 person\($0)" }, "1 ada", .tooManyAlike),
            (claims(12) { "1 person\($0)" }, "2 ada", nil),
            (claims(12) { "1 person\($0)" }, "a person0", nil),
            // Strangers and browsers that are known leave places to each other.
            (Array(different.prefix(23)), "99 ada", nil), (different, "99 ada", .full),
            (different, "a ada", nil), (different + claims(7) { "a person\($0)" }, "b ada", nil),
            (different + claims(8) { "a person\($0)" }, "b ada", .full),
            (claims(24) { "a\($0) person\($0 / 4)" }, "c ada", .full),
            (claims(24) { "a\($0) person\($0 / 4)" }, "1 ada", nil),
        ] as [([PasswordQueue.Claim], String, PasswordQueue.Refusal?)])
    func places(there: [PasswordQueue.Claim], asked: String, refusal: PasswordQueue.Refusal?) throws
    {
        var queue = PasswordQueue(threads: 2)
        let places = try there.map { try queue.enter($0) }
        let claim = Self.claim(asked)
        do {
            let place = try queue.enter(claim)
            #expect(refusal == nil)
            queue.leave(place)
        } catch {
            #expect(error == refusal)
        }
        // Whatever was refused, everybody's place comes back.
        for place in places { queue.leave(place) }
        for _ in 0..<Limits.passwordsOfOneClaim { _ = try queue.enter(claim) }
    }

    /// (who waits, in the order in which they came; who is examined after whom, by one thread)
    @Test(
        arguments: [
            (["1 ada", "2 bob", "3 eve"], [0, 1, 2]),
            // Who asks for many waits for himself, by account or by address.
            (["1 ada", "1 ada", "1 ada", "2 bob", "3 eve"], [0, 3, 4, 1, 2]),
            (["1 ada", "2 ada", "3 ada", "4 bob"], [0, 3, 1, 2]),
            (["1 ada", "1 bob", "1 eve", "2 dan"], [0, 3, 1, 2]),
            // Strangers and browsers that are known take turns, whoever is more.
            (["1 ada", "2 bob", "3 eve", "a dan"], [3, 0, 1, 2]),
            (["a ada", "b bob", "c eve", "1 dan", "2 fay"], [0, 3, 1, 4, 2]),
            (["1 ada", "2 bob", "a ada", "a ada", "b eve"], [2, 0, 4, 1, 3]),
        ] as [([String], [Int])])
    func turns(waiting: [String], order: [Int]) throws {
        var queue = PasswordQueue(threads: 1)
        let places = try waiting.map { try queue.enter(Self.claim($0)) }
        #expect(queue.start() == nil)
        for place in places { queue.wait(place) }
        var turns: [PasswordQueue.Place] = []
        while let place = queue.start() {
            turns.append(place)
            #expect(queue.start() == nil, "there is one thread")
            queue.finish()
            queue.leave(place)
        }
        #expect(turns.map { places.firstIndex(of: $0) } == order)
    }

    @Test func asManyRunAsThereAreThreads() throws {
        var queue = PasswordQueue(threads: 2)
        let places = try (1...4).map { try queue.enter(Self.claim("\($0) ada")) }
        for place in places { queue.wait(place) }
        #expect(queue.start() == places[0])
        #expect(queue.start() == places[1])
        #expect(queue.start() == nil)
        queue.finish()
        #expect(queue.start() == places[2])
        #expect(queue.start() == nil)
    }
}
