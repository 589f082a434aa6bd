import OAuth
import Testing

@testable import Lease

/// What a node remembers, and when it counts no more.
@Suite struct AnswerCacheTests {
    static func id(_ number: UInt64) -> Identifier { Identifier(high: 9, low: number) }

    static let token: Identifier = id(1)
    static let scopes = AnswerScopes(
        client: id(2), grant: id(3), session: id(4), user: id(5))

    static func known(_ text: String = "answer", bytes: Int? = nil) -> RememberedAnswer {
        RememberedAnswer(
            body: bytes.map { [UInt8](repeating: 1, count: $0) } ?? Array(text.utf8),
            client: id(2), audience: ["https://r"], text: [], certainUntil: UnixTime(seconds: 77))
    }

    static func entry(_ kind: LogEntry.Kind, _ subject: Identifier?) -> LogEntry {
        LogEntry(number: 1, kind: kind, subject: subject)
    }

    static func cache(bytes: Int64 = 1 << 20) -> AnswerCache { AnswerCache(bytes: bytes) }

    /// One that knows an answer.
    static func filled() -> AnswerCache {
        let cache = cache()
        cache.remember(known(), about: token, hangingOn: scopes, since: cache.now)
        return cache
    }

    // MARK: Ends

    @Test func whatIsKnown() {
        let cache = Self.filled()
        let known = cache.known(Self.token)
        #expect(known.map { Array($0.body) } == Array("answer".utf8))
        #expect(known?.client == Self.id(2))
        #expect(known?.isFor("https://r") == true)
        #expect(known?.isFor("https://") == false)
        #expect(known?.isFor("") == false)
        #expect(known?.certainUntil == UnixTime(seconds: 77))
        #expect(cache.known(Self.id(99)) == nil)
        #expect(cache.size.entries == 1)
        #expect(cache.size.hits == 1)
        #expect(cache.size.misses == 1)
    }

    static let ends: [(LogEntry.Kind, Identifier?)] = [
        (.token, token), (.grant, id(3)), (.session, id(4)), (.user, id(5)), (.client, id(2)),
        (.secret, nil), (.everything, nil),
    ]

    @Test(arguments: ends)
    func whatHasEnded(kind: LogEntry.Kind, subject: Identifier?) {
        let cache = Self.filled()
        let before = cache.now
        cache.apply([Self.entry(kind, subject)])
        #expect(cache.now > before)
        #expect(cache.known(Self.token) == nil)
        // What is read afterwards counts again.
        cache.remember(
            Self.known("new"), about: Self.token, hangingOn: Self.scopes, since: cache.now)
        #expect(cache.known(Self.token).map { Array($0.body) } == Array("new".utf8))
    }

    /// Among many other entries, first, last and in the middle.
    @Test(arguments: ends, [0, 500, 1000])
    func whatHasEndedAmongOthers(end: (LogEntry.Kind, Identifier?), position: Int) {
        let cache = Self.filled()
        var entries = (0..<1000 as Range<UInt64>).map { Self.entry(.grant, Self.id(1000 + $0)) }
        entries.insert(Self.entry(end.0, end.1), at: position)
        cache.apply(entries)
        #expect(cache.known(Self.token) == nil)
    }

    @Test(arguments: LogEntry.Kind.allCases.filter { $0 != .secret && $0 != .everything })
    func whatIsAboutSomethingElse(kind: LogEntry.Kind) {
        let cache = Self.filled()
        for number in 100..<200 as Range<UInt64> {
            cache.apply([Self.entry(kind, Self.id(number))])
            #expect(cache.known(Self.token) != nil)
        }
        // And looked at only after many.
        for number in 200..<300 as Range<UInt64> {
            cache.apply([Self.entry(kind, Self.id(number))])
        }
        #expect(cache.known(Self.token) != nil)
        cache.apply([Self.entry(.token, Self.token)])
        #expect(cache.known(Self.token) == nil)
    }

    /// A client's own token hangs on neither a grant, a session nor a user.
    @Test func aClientsOwnToken() {
        let cache = Self.cache()
        cache.remember(
            Self.known(), about: Self.token, hangingOn: .init(client: Self.id(2)),
            since: cache.now)
        cache.apply([
            Self.entry(.grant, Self.id(3)), Self.entry(.session, Self.id(4)),
            Self.entry(.user, Self.id(5)),
        ])
        #expect(cache.known(Self.token) != nil)
        cache.apply([Self.entry(.client, Self.id(2))])
        #expect(cache.known(Self.token) == nil)
    }

    @Test func nothingToApply() {
        let cache = Self.filled()
        let before = cache.now
        cache.apply([])
        #expect(cache.now == before)
        #expect(cache.known(Self.token) != nil)
    }

    @Test func oneOfMany() {
        let cache = Self.cache()
        for number in 0..<100 as Range<UInt64> {
            cache.remember(
                Self.known(), about: Self.id(number),
                hangingOn: .init(client: Self.id(1000), grant: Self.id(2000 + number / 2)),
                since: cache.now)
        }
        cache.apply([Self.entry(.token, Self.id(7)), Self.entry(.grant, Self.id(2010))])
        for number in 0..<100 as Range<UInt64> {
            #expect((cache.known(Self.id(number)) == nil) == [7, 20, 21].contains(number))
        }
    }

    // MARK: Fills

    /// An answer that was on its way while what it hangs on ended, whenever it arrives.
    @Test(arguments: ends)
    func aFillFromBeforeAnEnd(kind: LogEntry.Kind, subject: Identifier?) {
        for later in 0..<3 as Range<UInt64> {
            let cache = Self.cache()
            let since = cache.now
            cache.apply([Self.entry(kind, subject)])
            for other in 0..<later { cache.apply([Self.entry(.grant, Self.id(500 + other))]) }
            cache.remember(
                Self.known(), about: Self.token, hangingOn: Self.scopes, since: since)
            #expect(cache.known(Self.token) == nil)
            // It does not come back when it is looked at again, or when there is news.
            #expect(cache.known(Self.token) == nil)
            cache.apply([Self.entry(.grant, Self.id(600))])
            #expect(cache.known(Self.token) == nil)
        }
    }

    /// One that was on its way while something else ended is as good as before.
    @Test func aFillWithNothingBetween() {
        let cache = Self.cache()
        let since = cache.now
        cache.apply([Self.entry(.grant, Self.id(500))])
        cache.remember(Self.known(), about: Self.token, hangingOn: Self.scopes, since: since)
        #expect(cache.known(Self.token) != nil)
    }

    /// A fill that comes late does not stand in for a newer one for long, nor bring the dead back.
    @Test func twoFillsThatCross() {
        let cache = Self.cache()
        let since = cache.now
        cache.apply([Self.entry(.grant, Self.id(3))])
        cache.remember(
            Self.known("new"), about: Self.token, hangingOn: Self.scopes, since: cache.now)
        cache.remember(
            Self.known("old"), about: Self.token, hangingOn: Self.scopes, since: since)
        #expect(cache.known(Self.token).map { Array($0.body) } != Array("old".utf8))
    }

    @Test func clearing() {
        let cache = Self.filled()
        let since = cache.now
        cache.clear()
        #expect(cache.known(Self.token) == nil)
        #expect(cache.size.entries == 0)
        #expect(cache.size.bytes == 0)
        // What was on its way is worthless too.
        cache.remember(Self.known(), about: Self.token, hangingOn: Self.scopes, since: since)
        #expect(cache.known(Self.token) == nil)
        cache.remember(Self.known(), about: Self.token, hangingOn: Self.scopes, since: cache.now)
        #expect(cache.known(Self.token) != nil)
    }

    // MARK: Room

    /// Stamps are dropped from the oldest on; then nothing from before them counts.
    @Test func droppedStampsRaiseTheFloor() {
        let cache = AnswerCache(bytes: 1)  // 1024 stamps, the least there is
        let sinceFirst = cache.now
        cache.apply([Self.entry(.grant, Self.id(3))])
        cache.apply([Self.entry(.grant, Self.id(100))])
        let sinceSecond = cache.now
        for number in 0..<1023 as Range<UInt64> {
            cache.apply([Self.entry(.grant, Self.id(1000 + number))])
        }
        #expect(cache.size.stamps == 1024)
        cache.remember(
            Self.known(), about: Self.token, hangingOn: Self.scopes, since: sinceFirst)
        #expect(cache.known(Self.token) == nil)
        cache.remember(
            Self.known(), about: Self.token, hangingOn: Self.scopes, since: sinceSecond)
        #expect(cache.known(Self.token) != nil)

        for number in 0..<5000 as Range<UInt64> {
            cache.apply([Self.entry(.grant, Self.id(9000 + number))])
            #expect(cache.size.stamps <= 1024)
        }
        // It was looked at last before them all, and what stands between is no longer known.
        #expect(cache.known(Self.token) == nil)
        cache.remember(Self.known(), about: Self.token, hangingOn: Self.scopes, since: cache.now)
        #expect(cache.known(Self.token) != nil)
    }

    /// The same one again and again takes its place in the queue too; nothing is lost by that.
    @Test func oneThingThatEndsAgainAndAgain() {
        let cache = AnswerCache(bytes: 1)
        for _ in 0..<5000 {
            let since = cache.now
            cache.apply([Self.entry(.grant, Self.id(3))])
            cache.remember(
                Self.known(), about: Self.token, hangingOn: Self.scopes, since: since)
            #expect(cache.known(Self.token) == nil)
        }
        #expect(cache.size.stamps == 1)
    }

    /// More at once than there is room for: nothing from before counts.
    @Test func anAvalanche() {
        let cache = AnswerCache(bytes: 1)
        cache.remember(Self.known(), about: Self.token, hangingOn: Self.scopes, since: cache.now)
        cache.apply((0..<2000 as Range<UInt64>).map { Self.entry(.grant, Self.id(1000 + $0)) })
        #expect(cache.known(Self.token) == nil)
        #expect(cache.size.stamps == 1024)
        cache.remember(Self.known(), about: Self.token, hangingOn: Self.scopes, since: cache.now)
        #expect(cache.known(Self.token) != nil)
    }

    @Test func isBounded() {
        let limit = 1 << 20
        let cache = AnswerCache(bytes: Int64(limit))
        var random = SystemRandomNumberGenerator()
        var largest = 0
        for count in 0..<20_000 {
            cache.remember(
                Self.known(bytes: 200), about: Identifier(milliseconds: 1, using: &random),
                hangingOn: Self.scopes, since: cache.now)
            if count % 1000 == 0 { largest = max(largest, cache.size.bytes) }
        }
        largest = max(largest, cache.size.bytes)
        #expect(largest <= limit)
        #expect(largest > limit / 4)
        #expect(cache.size.entries * 200 <= limit)
        for _ in 0..<20_000 {
            cache.apply([
                Self.entry(.token, Identifier(milliseconds: 1, using: &random))
            ])
        }
        #expect(cache.size.bytes <= limit)
    }

    /// What is used stays, whatever else comes and goes.
    @Test func whatIsUsedIsKept() {
        let cache = AnswerCache(bytes: 1 << 20)
        let used = (0..<64 as Range<UInt64>).map { Self.id($0) }
        for token in used {
            cache.remember(
                Self.known(), about: token, hangingOn: Self.scopes, since: cache.now)
        }
        for round in 0..<200 as Range<UInt64> {
            for number in 0..<64 as Range<UInt64> {
                cache.remember(
                    Self.known(bytes: 200), about: Self.id(1_000_000 + round * 64 + number),
                    hangingOn: Self.scopes, since: cache.now)
            }
            #expect(used.allSatisfy { cache.known($0) != nil }, "round \(round)")
        }
        #expect(cache.known(Self.id(1_000_000)) == nil)
    }

    /// Remembered again, the same one takes no more room.
    @Test func theSameAgain() {
        let cache = Self.filled()
        let bytes = cache.size.bytes
        for _ in 0..<10 {
            cache.remember(
                Self.known(), about: Self.token, hangingOn: Self.scopes, since: cache.now)
        }
        #expect(cache.size.entries == 1)
        #expect(cache.size.bytes == bytes)
    }

    @Test(arguments: [0, -1] as [Int64])
    func withoutACache(bytes: Int64) {
        let cache = AnswerCache(bytes: bytes)
        cache.remember(Self.known(), about: Self.token, hangingOn: Self.scopes, since: cache.now)
        #expect(cache.known(Self.token) == nil)
        cache.remember(CachedClientTests.read(), called: "app", since: cache.now)
        #expect(cache.client("app") == nil)
        cache.apply([Self.entry(.grant, Self.id(3))])
        cache.clear()
        #expect(cache.size == AnswerCache.Size())
    }

    // MARK: Many at once

    /// Whoever fills reads what has ended so far before; what was applied before a look is then never
    /// found alive.
    @Test func manyThreads() async {
        let cache = AnswerCache(bytes: 1 << 16)
        let tokens = (0..<32 as Range<UInt64>).map { Self.id($0) }
        let ended = Ended(count: tokens.count)
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<4 {
                group.addTask {
                    for round in 0..<20_000 {
                        let number = (round &* 7 &+ worker) % tokens.count
                        let isEnded = ended.isAcknowledged(number)
                        if cache.known(tokens[number]) != nil {
                            #expect(!isEnded)
                        } else {
                            let since = cache.now
                            guard !ended.isCommitted(number) else { continue }
                            cache.remember(
                                Self.known(), about: tokens[number],
                                hangingOn: .init(client: Self.id(900), grant: Self.id(500)),
                                since: since)
                        }
                    }
                }
            }
            group.addTask {
                for number in tokens.indices.reversed() {
                    // First in the database, then here; only then may anybody rely on it.
                    ended.commit(number)
                    cache.apply([Self.entry(.token, tokens[number])])
                    ended.acknowledge(number)
                    if number % 8 == 0 { cache.clear() }
                    await Task.yield()
                }
            }
        }
        for token in tokens { #expect(cache.known(token) == nil) }
    }
}
