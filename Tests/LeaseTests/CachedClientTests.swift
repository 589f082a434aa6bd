import OAuth
import Testing

@testable import Lease

/// Clients that a node remembers.
@Suite struct CachedClientTests {
    static let id = Identifier(high: 1, low: 2)

    static func read(
        _ name: String = "app", id: Identifier = Self.id, exists: Bool = true
    ) -> ClientRead {
        let client = Client(
            id: id, clientID: "app",
            registration: ClientRegistration(
                name: name, method: .any, grantTypes: [.clientCredentials],
                scope: Scope(stored: ["a"]), introspects: .audience),
            secretHashes: [], epoch: 1, isDisabled: false)
        return ClientRead(
            client: exists ? client : nil, readAt: UnixTime(seconds: 5), unretiredKeyIDs: [1])
    }

    private func filled() -> AnswerCache {
        let cache = AnswerCache(bytes: 1 << 20)
        cache.remember(Self.read(), called: "app", since: cache.now)
        return cache
    }

    private func entry(_ kind: LogEntry.Kind, _ subject: Identifier?) -> LogEntry {
        LogEntry(number: 1, kind: kind, subject: subject)
    }

    @Test func found() {
        let cache = filled()
        let read = cache.client("app")
        #expect(read?.client?.id == Self.id)
        #expect(read?.unretiredKeyIDs == [1])
        #expect(read?.at(UnixTime(seconds: 9)).readAt == UnixTime(seconds: 9))
        #expect(cache.client("other") == nil)
    }

    @Test(
        arguments: [
            (.client, id), (.secret, nil), (.everything, nil),
        ] as [(LogEntry.Kind, Identifier?)])
    func changed(kind: LogEntry.Kind, subject: Identifier?) {
        let cache = filled()
        let since = cache.now
        cache.apply([entry(kind, subject)])
        #expect(cache.client("app") == nil)
        // One that was on its way is worthless; a new one counts.
        cache.remember(Self.read("old"), called: "app", since: since)
        #expect(cache.client("app") == nil)
        cache.remember(Self.read("new"), called: "app", since: cache.now)
        #expect(cache.client("app")?.client?.registration.name == "new")
    }

    /// However many they are and however large, they take no more than their share.
    @Test func theirShare() {
        let cache = AnswerCache(bytes: 128 << 20)
        let large = String(repeating: "x", count: 10_000)
        for number in 0..<2000 {
            cache.remember(Self.read(large), called: "app\(number)", since: cache.now)
            #expect(cache.client("app\(number)") != nil)
            #expect((10_000...(8 << 20)).contains(cache.size.bytes))
        }
        cache.clear()
        #expect(cache.size.bytes == 0)
        // The same one, again and again, is one; what has changed takes nothing.
        for _ in 0..<3 { cache.remember(Self.read(large), called: "app", since: cache.now) }
        #expect((10_000...11_000).contains(cache.size.bytes))
        cache.remember(
            Self.read(String(repeating: large, count: 900)), called: "larger", since: cache.now)
        #expect(cache.client("larger") == nil && cache.client("app") != nil)
        let stamped = cache.size.bytes
        cache.apply([entry(.client, Self.id)])
        #expect(cache.client("app") == nil && cache.size.bytes < stamped)
    }

    @Test func anotherOneChanged() {
        let cache = filled()
        cache.apply([entry(.client, Identifier(high: 1, low: 3)), entry(.grant, Self.id2)])
        #expect(cache.client("app") != nil)
        #expect(cache.client("app") != nil)
    }

    private static let id2 = Identifier(high: 1, low: 4)

    /// It may be made at any moment, and that is in no log.
    @Test func missing() {
        let cache = AnswerCache(bytes: 1 << 20)
        cache.remember(Self.read(exists: false), called: "app", since: cache.now)
        #expect(cache.client("app") == nil)
        cache.remember(Self.read(), called: "app", since: cache.now)
        #expect(cache.client("app") != nil)
    }

    @Test func clearing() {
        let cache = filled()
        let since = cache.now
        cache.clear()
        #expect(cache.client("app") == nil)
        cache.remember(Self.read(), called: "app", since: since)
        #expect(cache.client("app") == nil)
    }

    /// A client of the same name that was made after the first one was deleted.
    @Test func theSameNameAgain() {
        let cache = filled()
        cache.apply([entry(.client, Self.id)])
        cache.remember(Self.read("second", id: Self.id2), called: "app", since: cache.now)
        cache.apply([entry(.client, Self.id)])
        #expect(cache.client("app")?.client?.registration.name == "second")
        cache.apply([entry(.client, Self.id2)])
        #expect(cache.client("app") == nil)
    }
}
