import OAuth
import Testing

@testable import Lease

/// What every certain answer passes.
@Suite struct LeaseGateTests {
    static let first = Identifier(high: 1, low: 1)
    static let second = Identifier(high: 1, low: 2)

    private func grant(
        _ gate: LeaseGate, _ incarnation: Identifier = Self.first, timeline: Int32 = 3,
        at seconds: Int64 = 1000, sentAt: ContinuousClock.Instant = .now,
        for length: Duration = .seconds(600)
    ) {
        gate.grant(
            incarnation, of: Reign(systemIdentifier: 7, timeline: timeline),
            at: seconds * 1_000_000, sentAt: sentAt, until: sentAt + length)
    }

    /// That the database was not heard for a while, or leapt forward in time; not that it leapt back.
    @Test(
        arguments: [
            (0.05, 0, nil), (4.9, 4, nil), (5.1, 5, 1005), (0.05, 3000, 4000), (0.05, -3000, nil),
            (6, -3000, -2000),
        ] as [(Double, Int64, Int64?)])
    func outages(unheard: Double, leap: Int64, ended: Int64?) throws {
        let gate = LeaseGate()
        #expect(throws: StoreError.self) { try gate.outage() }
        let now = ContinuousClock.now
        grant(gate, sentAt: now - .seconds(unheard))
        grant(gate, timeline: 4, at: 1000 + leap, sentAt: now)
        let expected = ended.map {
            Outage(began: UnixTime(seconds: 1000), ended: UnixTime(seconds: $0))
        }
        #expect(try gate.outage() == expected)
        // It stays the last one.
        grant(gate, timeline: 4, at: 1001 + leap, sentAt: now + .seconds(1))
        #expect(try gate.outage() == expected)
    }

    /// An outage does not outlive a clock that goes back, and goes on where another one follows at once.
    @Test(
        arguments: [
            ([4000, 1060], 1000, 1060), ([4000, 4003, 4009], 1000, 4009),
            ([4000, 4020, 4040, 4046], 1000, 4046), ([4000, 1000, 1006], 1000, 1006),
            ([1010] + stride(from: 1014, through: 1042, by: 4) + [1048], 1042, 1048),
        ] as [([Int64], Int64, Int64)])
    func severalOutages(times: [Int64], began: Int64, ended: Int64) throws {
        let gate = LeaseGate()
        let now = ContinuousClock.now
        grant(gate, sentAt: now)
        for time in times { grant(gate, at: time, sentAt: now) }
        let expected = Outage(began: UnixTime(seconds: began), ended: UnixTime(seconds: ended))
        #expect(try gate.outage() == expected)
    }

    @Test func anOutageUnderWay() {
        let gate = LeaseGate()
        grant(gate, sentAt: .now - .seconds(6))
        #expect(throws: StoreError.self) { try gate.outage() }
    }

    /// Runs a gate beside a closure.
    private func watched(
        _ gate: LeaseGate, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await gate.watch() }
            group.addTask {
                // Nobody waits at a gate before it is watched.
                while !gate.isWatched { try await Task.sleep(for: .milliseconds(1)) }
                try await body()
            }
            try await group.next()
            group.cancelAll()
        }
    }

    // MARK: A lease

    @Test func endsExactly() {
        let gate = LeaseGate()
        let start = ContinuousClock.now
        #expect(gate.held(at: start) == nil)
        grant(gate, sentAt: start, for: .milliseconds(190))
        #expect(gate.held(at: start)?.incarnation == Self.first)
        #expect(gate.held(at: start + .nanoseconds(189_999_999)) != nil)
        #expect(gate.held(at: start + .milliseconds(190)) == nil)
        #expect(gate.held(at: start + .seconds(100)) == nil)
        // It was only looked at: a clock says when it is over, and nothing that anybody set.
        #expect(gate.held(at: start) != nil)
        #expect(gate.lapsed(at: start) == nil)
        #expect(gate.lapsed(at: start + .milliseconds(190)) == .zero)
        #expect(gate.lapsed(at: start + .milliseconds(1190)) == .seconds(1))
    }

    @Test func aNewProcessHasLapsed() {
        let gate = LeaseGate()
        #expect(gate.lapsed(at: .now + .seconds(10)) ?? .zero > .seconds(9))
    }

    @Test func givingUp() {
        let gate = LeaseGate()
        grant(gate)
        #expect(gate.held(at: .now) != nil)
        #expect(gate.lapsed(at: .now) == nil)
        gate.giveUp()
        #expect(gate.held(at: .now) == nil)
        #expect(gate.lapsed(at: .now) != nil)
        grant(gate, Self.second)
        #expect(gate.held(at: .now)?.incarnation == Self.second)
    }

    /// A lease that is granted late may be over when it comes.
    @Test func aLeaseThatIsOver() async throws {
        let gate = LeaseGate()
        try await watched(gate) {
            grant(gate, sentAt: .now - .seconds(1), for: .milliseconds(190))
            #expect(gate.held(at: .now) == nil)
            await #expect(throws: StoreError.self) {
                _ = try await gate.lease(by: .now + .milliseconds(50))
            }
        }
    }

    // MARK: Time

    @Test func carriesTheTimeForward() throws {
        let gate = LeaseGate()
        let start = ContinuousClock.now
        grant(gate, at: 1000, sentAt: start)
        let held = try #require(gate.held(at: start))
        #expect(held.time(at: start) == UnixTime(seconds: 1000))
        #expect(held.time(at: start + .milliseconds(999)) == UnixTime(seconds: 1000))
        #expect(held.time(at: start + .seconds(30)) == UnixTime(seconds: 1030))
    }

    /// Each poll says the time anew: what a local clock gains or loses never adds up, and where the
    /// database's clock was set, its time is followed.
    @Test func eachPollSaysTheTime() throws {
        let gate = LeaseGate()
        let start = ContinuousClock.now
        for (second, now) in [(0, 1000), (1, 991), (2, 1100), (3, 1003)] as [(Int64, Int64)] {
            let sentAt = start + .seconds(second)
            grant(gate, at: now, sentAt: sentAt)
            let held = try #require(gate.held(at: sentAt))
            #expect(held.time(at: sentAt) == UnixTime(seconds: now))
            #expect(held.time(at: sentAt + .seconds(5)) == UnixTime(seconds: now + 5))
        }
    }

    // MARK: Waiting

    @Test func whoHasALeaseDoesNotWait() async throws {
        let gate = LeaseGate()
        grant(gate)
        #expect(try await gate.lease(by: .now - .seconds(1)).incarnation == Self.first)
    }

    @Test func aWaitingRequestGetsTheNextLease() async throws {
        let gate = LeaseGate()
        try await watched(gate) {
            try await withThrowingTaskGroup(of: LeaseGate.Held.self) { group in
                for _ in 0..<100 {
                    group.addTask { try await gate.lease(by: .now + .seconds(60)) }
                }
                await Task.yield()
                // The first is over already when it comes: who waits goes on waiting.
                grant(gate, sentAt: .now - .seconds(2), for: .seconds(1))
                await Task.yield()
                grant(gate, Self.second)
                for try await held in group { #expect(held.incarnation == Self.second) }
            }
        }
    }

    @Test func nobodyWaitsForEver() async throws {
        let gate = LeaseGate()
        try await watched(gate) {
            let error = await #expect(throws: StoreError.self) {
                _ = try await gate.lease(by: .now + .milliseconds(50))
            }
            guard case .unavailable = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            await #expect(throws: StoreError.self) {
                _ = try await gate.lease(by: .now - .seconds(1))
            }
            #expect(gate.lapsed(at: .now) != nil)
        }
    }

    /// Its deadline holds also where nobody watches the gate: before the node runs, and after it.
    @Test(arguments: [false, true])
    func nobodyWaitsForEverAtAGateThatNobodyWatches(wasWatched: Bool) async throws {
        let gate = LeaseGate()
        if wasWatched { try await watched(gate) {} }
        await withTaskGroup(of: Bool.self) { group in
            group.addTask { (try? await gate.lease(by: .now + .milliseconds(50))) == nil }
            group.addTask {
                try? await Task.sleep(for: .seconds(10))
                return false
            }
            #expect(await group.next() == true, "it was told nothing")
            // Should it still wait, it is let go: a gate that is cancelled tells everybody.
            group.cancelAll()
            group.addTask {
                await gate.watch()
                return true
            }
        }
    }

    @Test func thoseWhoWaitAreToldWhenItStops() async throws {
        let gate = LeaseGate()
        await withTaskGroup(of: Void.self) { group in
            let watching = AsyncStream.makeStream(of: Never.self)
            group.addTask {
                await withTaskGroup(of: Void.self) { inner in
                    inner.addTask { await gate.watch() }
                    inner.addTask { for await _ in watching.stream {} }
                    await inner.next()
                    inner.cancelAll()
                }
            }
            try? await Task.sleep(for: .milliseconds(100))
            group.addTask {
                await #expect(throws: StoreError.self) {
                    _ = try await gate.lease(by: .now + .seconds(600))
                }
            }
            try? await Task.sleep(for: .milliseconds(100))
            watching.continuation.finish()
        }
    }

    /// One more than may wait is refused at once.
    @Test func onlySoManyWait() async throws {
        let gate = LeaseGate()
        try await watched(gate) {
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0...Limits.leaseWaiters {
                    group.addTask {
                        (try? await gate.lease(by: .now + .seconds(600))) != nil
                    }
                }
                // Somebody is refused while all the others wait; then they have what they wait for.
                #expect(await group.next() == false)
                grant(gate)
                var served = 0
                for await isServed in group where isServed { served += 1 }
                #expect(served == Limits.leaseWaiters)
            }
        }
    }
}
