import Logging
import OAuth
import Synchronization
import Testing

@testable import Lease

/// Following a log that no database has: whatever is upstream, the order of things is the same.
@Suite struct LogFollowerTests {
    /// A log in memory, for one that follows it.
    private final class MadeUpstream: Upstream {
        struct State {
            var log: [LogEntry] = []
            var joins = 0
            var isConnected = false
            var isRenewed = true
            /// What each poll said to be applied.
            var reported: [Int64] = []
        }

        let state = Mutex(State())

        func append(_ subject: Identifier) {
            state.withLock { state in
                let number = Int64(state.log.count) + 1
                state.log.append(LogEntry(number: number, kind: .grant, subject: subject))
            }
        }

        func connect(by deadline: ContinuousClock.Instant) throws(StoreError) {
            state.withLock { $0.isConnected = true }
        }

        func disconnect() {
            state.withLock { $0.isConnected = false }
        }

        private func requireConnected() throws(StoreError) {
            guard state.withLock({ $0.isConnected }) else { throw .unavailable("not connected") }
        }

        func join(by deadline: ContinuousClock.Instant) throws(StoreError) -> Joining {
            try requireConnected()
            return state.withLock { state in
                state.joins += 1
                state.isRenewed = true
                return Joining(
                    incarnation: Identifier(high: 0, low: UInt64(state.joins)), reign: Self.reign,
                    logID: Identifier(high: 1, low: 1), endOfLog: Int64(state.log.count))
            }
        }

        func poll(
            _ joining: Joining, applied: Int64, by deadline: ContinuousClock.Instant
        ) throws(StoreError) -> Poll {
            try requireConnected()
            return state.withLock { state in
                state.reported.append(applied)
                return Poll(
                    reign: Self.reign, time: 5_000_000, isRenewed: state.isRenewed,
                    endOfLog: Int64(state.log.count),
                    entries: Array(state.log.dropFirst(Int(applied))))
            }
        }

        func waitForNews(by deadline: ContinuousClock.Instant) async throws(StoreError) {
            try? await Task.sleep(for: .milliseconds(1))
        }

        func client(
            _ clientID: String, by deadline: ContinuousClock.Instant
        ) throws(StoreError) -> ClientRead {
            throw .missing(.client(clientID))
        }

        func answer(
            _ question: Identifier, by deadline: ContinuousClock.Instant
        ) -> (RememberedAnswer, hangingOn: AnswerScopes)? { nil }

        static let reign = Reign(systemIdentifier: 7, timeline: 3)
    }

    private func following(
        _ body: @escaping @Sendable (MadeUpstream, LeaseGate, AnswerCache) async throws -> Void
    ) async throws {
        let upstream = MadeUpstream()
        let (gate, cache) = (LeaseGate(), AnswerCache(bytes: 1 << 20))
        let follower = LogFollower(
            upstream, lease: .milliseconds(500), gate: gate, cache: cache,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await gate.watch() }
            group.addTask { await follower.run() }
            group.addTask {
                while !gate.isWatched { try await Task.sleep(for: .milliseconds(1)) }
                try await body(upstream, gate, cache)
            }
            // The others end only when they are cancelled.
            try await group.next()
            group.cancelAll()
            try await group.waitForAll()
        }
        #expect(gate.held(at: .now) == nil)
        #expect(!upstream.state.withLock { $0.isConnected })
    }

    private func remember(_ grant: Identifier, in cache: AnswerCache) {
        let client = Identifier(high: 2, low: 2)
        cache.remember(
            RememberedAnswer(
                body: [1], client: client, audience: [], text: [],
                certainUntil: UnixTime(seconds: 9)),
            about: grant, hangingOn: AnswerScopes(client: client, grant: grant), since: cache.now)
    }

    private func eventually(_ isSo: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while !isSo() {
            try #require(ContinuousClock.now < deadline, "it never came to be")
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    @Test func whatIsReportedWasApplied() async throws {
        try await following { upstream, gate, cache in
            let held = try await gate.lease(by: .now + .seconds(60))
            #expect(held.incarnation == Identifier(high: 0, low: 1))
            #expect(held.reign == MadeUpstream.reign)
            let (ended, other) = (Identifier(high: 3, low: 1), Identifier(high: 3, low: 2))
            remember(ended, in: cache)
            remember(other, in: cache)
            upstream.append(ended)
            try await eventually { upstream.state.withLock { $0.reported.last } == 1 }
            #expect(cache.known(ended) == nil)
            #expect(cache.known(other) != nil)
        }
    }

    @Test func oneThatWasGivenUpJoinsAgainWithAnEmptyCache() async throws {
        try await following { upstream, gate, cache in
            _ = try await gate.lease(by: .now + .seconds(60))
            let grant = Identifier(high: 3, low: 1)
            remember(grant, in: cache)
            upstream.state.withLock { $0.isRenewed = false }
            try await eventually { gate.held(at: .now)?.incarnation.low == 2 }
            #expect(cache.known(grant) == nil)
        }
    }

    @Test func aLostConnectionCostsNothing() async throws {
        try await following { upstream, gate, cache in
            _ = try await gate.lease(by: .now + .seconds(60))
            let grant = Identifier(high: 3, low: 1)
            remember(grant, in: cache)
            upstream.disconnect()
            try await eventually { upstream.state.withLock { $0.isConnected } }
            #expect(upstream.state.withLock { $0.joins } == 1)
            #expect(cache.known(grant) != nil)
        }
    }
}
