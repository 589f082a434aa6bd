import DequeModule
import Metrics
package import OAuth
import Synchronization

/// What a node remembers, so that it need not ask the database again: answers about live access tokens,
/// and clients. It is read only under a lease.
///
/// **Ticks.** Each time that entries of the log are applied, the tick goes up, and what they are about
/// gets it as its stamp. What is remembered carries the tick from *before* it was read, and the ids of
/// all that it hangs on; it counts while none of them has a later stamp. So nothing needs to be looked
/// for and thrown out, whatever hangs on what has ended, and an answer that was on its way while
/// something ended is worthless when it arrives. Stamps that are dropped raise the floor, below which
/// nothing counts. Ticks are this process's own: they go on when the log is another one.
package final class AnswerCache: Sendable {
    /// Two generations: what is used moves to the younger one, and the older one is dropped whole when
    /// the younger one is full. Several shards, so that threads rarely meet, and a table that grows
    /// holds up few.
    private struct Generations {
        private let limit: Int
        private(set) var young: AnswerShelf
        private(set) var old: AnswerShelf

        init(limit: Int) {
            self.limit = limit
            young = AnswerShelf(limit: limit)
            old = AnswerShelf(limit: limit)
        }

        /// - Parameter isGood: whether nothing of these scopes has ended since that tick.
        mutating func known(
            _ token: Identifier, now: Int64, isGood: (AnswerScopes, Int64) -> Bool
        ) -> RememberedAnswer? {
            if let position = young.position(of: token) {
                let tick = young.tick(at: position)
                if tick < now {
                    guard isGood(young.scopes(at: position), tick) else {
                        drop(token)
                        return nil
                    }
                    young.set(tick: now, at: position)
                }
                return young.answer(at: position)
            }
            guard let position = old.position(of: token) else { return nil }
            let (scopes, tick) = (old.scopes(at: position), old.tick(at: position))
            guard isGood(scopes, tick) else {
                drop(token)
                return nil
            }
            let answer = old.answer(at: position)
            keep(answer, of: token, scopes: scopes, tick: max(tick, now))
            return answer
        }

        mutating func keep(
            _ answer: RememberedAnswer, of token: Identifier, scopes: AnswerScopes, tick: Int64
        ) {
            guard young.canKeep(answer) else { return drop(token) }
            old.remove(token)
            if young.bytes + AnswerShelf.bytes(of: answer) > limit {
                old = young
                young = AnswerShelf(limit: limit)
            }
            young.keep(answer, of: token, scopes: scopes, tick: tick)
        }

        private mutating func drop(_ token: Identifier) {
            young.remove(token)
            old.remove(token)
        }
    }

    private final class Shard: Sendable {
        let generations: Mutex<Generations>

        init(limit: Int) {
            generations = Mutex(Generations(limit: limit))
        }
    }

    private struct Stamps {
        var tick: Int64 = 1
        var floor: Int64 = 0
        var latest: [Identifier: Int64] = [:]
        /// In the order in which they were given, for dropping the oldest.
        var queue: Deque<(id: Identifier, tick: Int64)> = []

        /// Whether nothing of it has ended since.
        func hasNone(of ids: [Identifier], after tick: Int64) -> Bool {
            tick >= floor && !ids.contains { (latest[$0] ?? 0) > tick }
        }

        func hasNone(of scopes: AnswerScopes, token: Identifier, after tick: Int64) -> Bool {
            tick >= floor && (latest[token] ?? 0) <= tick && (latest[scopes.grant] ?? 0) <= tick
                && (latest[scopes.session] ?? 0) <= tick && (latest[scopes.user] ?? 0) <= tick
                && (latest[scopes.client] ?? 0) <= tick
        }

        mutating func drop(beyond limit: Int) {
            while queue.count > limit, let (id, tick) = queue.popFirst() {
                if latest[id] == tick { latest[id] = nil }
                floor = max(floor, tick)
            }
        }
    }

    private struct Clients {
        private(set) var bytes = 0
        private var reads: [String: (read: ClientRead, tick: Int64, bytes: Int)] = [:]

        subscript(clientID: String) -> (read: ClientRead, tick: Int64)? {
            reads[clientID].map { ($0.read, $0.tick) }
        }

        mutating func checked(_ clientID: String, at tick: Int64) {
            reads[clientID]?.tick = tick
        }

        /// - Returns: what had to make room, to be freed after the lock.
        mutating func keep(
            _ read: ClientRead, called clientID: String, tick: Int64, limit: Int
        ) -> Clients? {
            drop(clientID)
            let size = read.client.map(Self.bytes) ?? 0
            guard size <= limit else { return nil }
            var full: Clients?
            if bytes + size > limit {
                full = self
                self = Clients()
            }
            reads[clientID] = (read, tick, size)
            bytes += size
            return full
        }

        mutating func drop(_ clientID: String) {
            bytes -= reads.removeValue(forKey: clientID)?.bytes ?? 0
        }

        /// About how much a client takes: its texts, and what holds them.
        private static func bytes(of client: Client) -> Int {
            let registration = client.registration
            let texts =
                registration.redirectURIs + registration.postLogoutRedirectURIs
                + registration.audiences + registration.scope.tokens
                + [client.clientID, registration.name, registration.backchannelLogoutURI ?? ""]
            return texts.reduce(512) { $0 + 48 + $1.utf8.count }
        }
    }

    private static let shardCount = 64
    private static let stampBytes = 120

    private let shards: [Shard]
    private let shardLimit: Int
    private let stampLimit: Int
    private let clientLimit: Int
    private let stamps = Mutex(Stamps())
    /// The stamps' tick, to be read without a lock.
    private let tick = Atomic<Int64>(1)
    private let clients = Mutex(Clients())
    private let hits = Atomic<Int>(0)
    private let misses = Atomic<Int>(0)
    /// Whether it remembers anything.
    package let isEnabled: Bool

    /// - Parameter bytes: about how much it may take; 0: it remembers nothing.
    package init(bytes: Int64) {
        isEnabled = bytes > 0
        // A sixteenth is for stamps, one for clients, the rest for two generations in each shard.
        stampLimit = max(Int(bytes) / 16 / Self.stampBytes, 1024)
        clientLimit = max(Int(bytes) / 16, 8 << 20)
        let limit = Int(bytes) / 8 * 7 / 2 / Self.shardCount
        shardLimit = limit
        shards = (0..<Self.shardCount).map { _ in Shard(limit: limit) }
    }

    // MARK: What is known

    /// The present tick, which what is read from now on is remembered with.
    package var now: Int64 { tick.load(ordering: .acquiring) }

    /// What is known about a token; nil where the database has to be asked.
    /// - Parameter countsMiss: false where somebody looks again who counts.
    package func known(_ token: Identifier, countsMiss: Bool = true) -> RememberedAnswer? {
        guard isEnabled else { return nil }
        let now = now
        let known = shard(of: token).generations.withLock { generations in
            generations.known(token, now: now) { scopes, tick in
                stamps.withLock { $0.hasNone(of: scopes, token: token, after: tick) }
            }
        }
        if known == nil {
            if countsMiss { misses.add(1, ordering: .relaxed) }
        } else {
            hits.add(1, ordering: .relaxed)
        }
        return known
    }

    /// Remembers an answer.
    /// - Parameter tick: `now` from before the database was asked.
    package func remember(
        _ answer: RememberedAnswer, about token: Identifier, hangingOn scopes: AnswerScopes,
        since tick: Int64
    ) {
        guard isEnabled else { return }
        let tick = LeaseTrap.fillRace.isPlanted ? now : tick
        shard(of: token).generations.withLock {
            $0.keep(answer, of: token, scopes: scopes, tick: tick)
        }
    }

    package func client(_ clientID: String) -> ClientRead? {
        guard isEnabled else { return nil }
        let now = now
        return clients.withLock { clients in
            guard let (read, tick) = clients[clientID], let client = read.client else { return nil }
            if tick >= now { return read }
            guard stamps.withLock({ $0.hasNone(of: [client.id], after: tick) }) else {
                clients.drop(clientID)
                return nil
            }
            clients.checked(clientID, at: now)
            return read
        }
    }

    package func remember(_ read: ClientRead, called clientID: String, since tick: Int64) {
        // One that is missing is looked for again each time: it may be made at any moment.
        guard isEnabled, read.client != nil else { return }
        _ = clients.withLock { $0.keep(read, called: clientID, tick: tick, limit: clientLimit) }
    }

    // MARK: What has ended

    /// Applies entries of the log.
    package func apply(_ entries: [LogEntry]) {
        guard !entries.isEmpty else { return }
        stamps.withLock { stamps in
            stamps.tick += 1
            for entry in entries {
                guard let id = entry.subject else {
                    stamps.floor = stamps.tick
                    continue
                }
                if LeaseTrap.unstampedScopes.isPlanted,
                    [.session, .user, .client].contains(entry.kind)
                {
                    continue
                }
                stamps.latest[id] = stamps.tick
                stamps.queue.append((id, stamps.tick))
            }
            stamps.drop(beyond: stampLimit)
            tick.store(stamps.tick, ordering: .releasing)
        }
    }

    /// Forgets everything, also what is on its way.
    package func clear() {
        stamps.withLock { stamps in
            stamps.tick += 1
            stamps.floor = stamps.tick
            stamps.latest = [:]
            stamps.queue = []
            tick.store(stamps.tick, ordering: .releasing)
        }
        for shard in shards {
            // What is dropped is freed after the lock.
            _ = shard.generations.withLock { generations in
                defer { generations = Generations(limit: shardLimit) }
                return generations
            }
        }
        _ = clients.withLock { clients in
            defer { clients = Clients() }
            return clients
        }
    }

    // MARK: How full it is

    package struct Size: Sendable, Equatable {
        package var entries = 0
        package var bytes = 0
        package var stamps = 0
        package var hits = 0
        package var misses = 0
    }

    package var size: Size {
        var size = Size()
        for shard in shards {
            shard.generations.withLock { generations in
                size.entries += generations.young.count + generations.old.count
                size.bytes += generations.young.bytes + generations.old.bytes
            }
        }
        size.stamps = stamps.withLock { $0.latest.count }
        size.bytes += size.stamps * Self.stampBytes + clients.withLock { $0.bytes }
        size.hits = hits.load(ordering: .relaxed)
        size.misses = misses.load(ordering: .relaxed)
        return size
    }

    private func shard(of token: Identifier) -> Shard {
        shards[Int(truncatingIfNeeded: token.low) & (Self.shardCount - 1)]
    }
}

/// What operators see of a cache.
package struct CacheMetrics: Sendable {
    private let entries = Gauge(label: "doornail_cache_entries")
    private let bytes = Gauge(label: "doornail_cache_bytes")
    private let stamps = Gauge(label: "doornail_cache_stamps")
    private let hits = Gauge(label: "doornail_cache_hits")
    private let misses = Gauge(label: "doornail_cache_misses")

    package init() {}

    package func record(_ size: AnswerCache.Size) {
        entries.record(size.entries)
        bytes.record(size.bytes)
        stamps.record(size.stamps)
        hits.record(size.hits)
        misses.record(size.misses)
    }
}
