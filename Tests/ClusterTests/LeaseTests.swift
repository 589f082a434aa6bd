import Cluster
import OAuth
import Postgres
import Storage
import Testing

/// A node's side of the lease protocol.
@Suite struct LeaseTests {
    static let length: Duration = .milliseconds(200)
    static let sentAt = ContinuousClock.now
    /// Five percent less than the length.
    static let until = sentAt + .milliseconds(190)
    static let logID = PostgresUUID(high: 1, low: 2)

    static func primary(system: Int64 = 7, timeline: Int32 = 3) -> Primary {
        Primary(
            isRecovering: false, systemIdentifier: system, timeline: timeline,
            now: PostgresTime(microseconds: 0))
    }

    static func entries(_ numbers: [Int64]) -> [LogEntry] {
        numbers.map { LogEntry(number: $0, kind: .grant, subject: Identifier(high: 1, low: 1)) }
    }

    /// A node that has applied the log up to 10.
    static func joined() -> Lease {
        var lease = Lease(length: length)
        lease.joined(
            as: Identifier(high: 5, low: 5),
            Joining(primary: primary(), logID: logID, endOfLog: 10))
        return lease
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var numbers: [Int64] = []
        var endOfLog: Int64 = 10
        var isRenewed = true
        var primary = LeaseTests.primary()
        let action: Lease.Action
    }

    static let cases = [
        Case(testDescription: "nothing new", action: .renew(until: until)),
        Case(
            testDescription: "one entry, to the end", numbers: [11], endOfLog: 11,
            action: .apply(entries([11]), leaseUntil: until)),
        Case(
            testDescription: "several, to the end", numbers: [11, 12, 13], endOfLog: 13,
            action: .apply(entries([11, 12, 13]), leaseUntil: until)),
        Case(
            testDescription: "the log goes on", numbers: [11, 12], endOfLog: 13,
            action: .apply(entries([11, 12]), leaseUntil: nil)),
        Case(
            testDescription: "a gap before the first", numbers: [12, 13], endOfLog: 13,
            action: .rejoin(because: .gap)),
        Case(
            testDescription: "a gap in the middle", numbers: [11, 13], endOfLog: 13,
            action: .rejoin(because: .gap)),
        Case(
            testDescription: "all that is new is gone", endOfLog: 11,
            action: .rejoin(because: .gap)),
        Case(
            testDescription: "one twice", numbers: [11, 11], endOfLog: 12,
            action: .rejoin(because: .gap)),
        Case(
            testDescription: "out of order", numbers: [12, 11], endOfLog: 12,
            action: .rejoin(because: .gap)),
        Case(
            testDescription: "what was applied already", numbers: [10, 11], endOfLog: 11,
            action: .rejoin(because: .gap)),
        Case(
            testDescription: "the log is shorter", endOfLog: 9,
            action: .rejoin(because: .shorter)),
        Case(
            testDescription: "the log is empty", endOfLog: 0,
            action: .rejoin(because: .shorter)),
        Case(
            testDescription: "the row was not there", isRenewed: false,
            action: .rejoin(because: .givenUp)),
        Case(
            testDescription: "nor was it, and there is news", numbers: [11], endOfLog: 11,
            isRenewed: false, action: .rejoin(because: .givenUp)),
        Case(
            testDescription: "another timeline", primary: primary(timeline: 4),
            action: .rejoin(because: .givenUp)),
        Case(
            testDescription: "an older timeline", primary: primary(timeline: 2),
            action: .rejoin(because: .givenUp)),
        Case(
            testDescription: "another system", primary: primary(system: 8),
            action: .rejoin(because: .givenUp)),
    ]

    @Test(arguments: cases)
    func whatAPollMeans(_ given: Case) {
        var lease = Self.joined()
        let poll = Poll(
            primary: given.primary, isRenewed: given.isRenewed, endOfLog: given.endOfLog,
            entries: Self.entries(given.numbers))
        #expect(lease.received(poll, sentAt: Self.sentAt) == given.action)
        // Whoever has to join again follows nothing; nothing is reported before it was applied.
        if case .rejoin = given.action {
            #expect(lease.following == nil)
        } else {
            #expect(lease.following?.applied == 10)
        }
    }

    /// Numbers that the database may hold, if no log ever has them.
    @Test(
        arguments: [
            (.min, .max, [], .behind), (.min, .min + 20_001, [], .behind), (0, .max, [1], .behind),
            (.max, .max, [.max], .gap), (.max, .min, [], .shorter),
            (.min, .min, [.min], .gap),
        ] as [(Int64, Int64, [Int64], Lease.Reason)])
    func extremeNumbers(
        applied: Int64, endOfLog: Int64, numbers: [Int64], reason: Lease.Reason
    ) {
        var lease = Lease(length: Self.length)
        lease.joined(
            as: Identifier(high: 5, low: 5),
            Joining(primary: Self.primary(), logID: Self.logID, endOfLog: applied))
        let poll = Poll(
            primary: Self.primary(), isRenewed: true, endOfLog: endOfLog,
            entries: Self.entries(numbers))
        #expect(lease.received(poll, sentAt: Self.sentAt) == .rejoin(because: reason))
    }

    @Test func beforeItJoinedThereIsNoLease() {
        var lease = Lease(length: Self.length)
        #expect(lease.following == nil)
        let poll = Poll(primary: Self.primary(), isRenewed: true, endOfLog: 0, entries: [])
        #expect(lease.received(poll, sentAt: Self.sentAt) == .rejoin(because: .givenUp))
        lease.applied(through: 5)
        #expect(lease.following == nil)
    }

    /// What is reported is what was said to be applied, and the next poll goes on from there.
    @Test func reportsWhatWasApplied() {
        var lease = Self.joined()
        #expect(lease.following?.incarnation == Identifier(high: 5, low: 5))
        let first = Poll(
            primary: Self.primary(), isRenewed: true, endOfLog: 13,
            entries: Self.entries([11, 12]))
        _ = lease.received(first, sentAt: Self.sentAt)
        #expect(lease.following?.applied == 10)
        lease.applied(through: 12)
        #expect(lease.following?.applied == 12)
        let next = Poll(
            primary: Self.primary(), isRenewed: true, endOfLog: 13, entries: Self.entries([13]))
        #expect(
            lease.received(next, sentAt: Self.sentAt)
                == .apply(Self.entries([13]), leaseUntil: Self.until))
        lease.applied(through: 13)
        let last = Poll(primary: Self.primary(), isRenewed: true, endOfLog: 13, entries: [])
        #expect(lease.received(last, sentAt: Self.sentAt) == .renew(until: Self.until))
    }

    /// A node that joined again, on a timeline where numbers are used again, starts from there.
    @Test func joinsAgain() {
        var lease = Self.joined()
        let promoted = Poll(
            primary: Self.primary(timeline: 4), isRenewed: false, endOfLog: 8, entries: [])
        _ = lease.received(promoted, sentAt: Self.sentAt)
        lease.joined(
            as: Identifier(high: 6, low: 6),
            Joining(primary: Self.primary(timeline: 4), logID: Self.logID, endOfLog: 8))
        #expect(lease.following?.incarnation == Identifier(high: 6, low: 6))
        #expect(lease.following?.applied == 8)
        let poll = Poll(
            primary: Self.primary(timeline: 4), isRenewed: true, endOfLog: 9,
            entries: Self.entries([9]))
        #expect(
            lease.received(poll, sentAt: Self.sentAt)
                == .apply(Self.entries([9]), leaseUntil: Self.until))
    }

    /// However clocks differ within the drift, a revoker's wait outlasts every lease.
    @Test func aWaitOutlastsALease() {
        for length in [Duration.milliseconds(1), .milliseconds(250), .seconds(10)] {
            // A lease that lasts 5% longer than the node's clock says, and a wait 5% shorter.
            let lease = length * (1 - Lease.drift) * 1.05
            let wait = Lease.outlasting(length) * 0.95
            #expect(lease <= length)
            #expect(lease <= wait)
        }
    }
}

/// How long a revocation waits.
@Suite struct RevocationWaitTests {
    static func node(
        _ number: UInt64, applied: Int64, lease: Duration = .milliseconds(200),
        renewedAt: Int64 = 0
    ) -> Roll.Node {
        Roll.Node(
            id: Identifier(high: 0, low: number), keyIDs: [], lease: lease, applied: applied,
            renewedAt: PostgresTime(microseconds: renewedAt))
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var nodes: [Roll.Node] = []
        var elapsed: Duration = .zero
        var isWhole = false
        let step: RevocationWait.Step
    }

    /// Waits for number 10 of the log.
    static let cases = [
        Case(testDescription: "no nodes", step: .done),
        Case(testDescription: "no nodes, whole", isWhole: true, step: .done),
        Case(
            testDescription: "all have applied it",
            nodes: [node(1, applied: 10), node(2, applied: 11)], step: .done),
        Case(
            testDescription: "one has not", nodes: [node(1, applied: 10), node(2, applied: 9)],
            step: .wait(atMost: .milliseconds(210))),
        Case(
            testDescription: "one has not, just before its lease is over",
            nodes: [node(1, applied: 10), node(2, applied: 9)], elapsed: .microseconds(209_999),
            step: .wait(atMost: .milliseconds(210))),
        Case(
            testDescription: "one has not, and its lease is over",
            nodes: [node(1, applied: 10), node(2, applied: 9)], elapsed: .milliseconds(210),
            step: .done),
        Case(
            testDescription: "one has not, and its lease is long over",
            nodes: [node(1, applied: 0)], elapsed: .seconds(5), step: .done),
        Case(
            testDescription: "the longest of those behind counts",
            nodes: [
                node(1, applied: 9, lease: .milliseconds(100)), node(2, applied: 9),
                node(3, applied: 10, lease: .seconds(10)),
            ], elapsed: .milliseconds(150), step: .wait(atMost: .milliseconds(210))),
        Case(
            testDescription: "whole: what they say they applied does not count",
            nodes: [node(1, applied: 10), node(2, applied: 11, lease: .milliseconds(400))],
            elapsed: .milliseconds(400), isWhole: true, step: .wait(atMost: .milliseconds(420))),
        Case(
            testDescription: "whole, and over", nodes: [node(1, applied: 10)],
            elapsed: .milliseconds(210), isWhole: true, step: .done),
    ]

    @Test(arguments: cases)
    func steps(_ given: Case) {
        let roll = Roll(endOfLog: 10, timelineAge: .seconds(60), nodes: given.nodes)
        #expect(
            RevocationWait.step(
                for: 10, elapsed: given.elapsed, roll: roll, isWhole: given.isWhole)
                == given.step)
    }

    @Test(
        arguments: [
            (nil, true), (.zero, true), (.milliseconds(209), true), (.milliseconds(210), false),
            (.seconds(3600), false), (.milliseconds(-1), true), (.seconds(-3600), true),
        ] as [(Duration?, Bool)])
    func isWhole(age: Duration?, expected: Bool) {
        let nodes = [
            Self.node(1, applied: 10), Self.node(2, applied: 10, lease: .milliseconds(50)),
        ]
        #expect(
            RevocationWait.isWhole(Roll(endOfLog: 10, timelineAge: age, nodes: nodes)) == expected)
        // Where there is no node, there is no lease.
        #expect(!RevocationWait.isWhole(Roll(endOfLog: 10, timelineAge: age, nodes: [])))
    }
}

/// Which rows are those of dead nodes.
@Suite struct DeadNodeWatchTests {
    static let start = ContinuousClock.now

    private func node(
        _ number: UInt64, renewedAt: Int64, lease: Duration = .milliseconds(100)
    ) -> Roll.Node {
        RevocationWaitTests.node(number, applied: 0, lease: lease, renewedAt: renewedAt)
    }

    private func at(_ milliseconds: Int64) -> ContinuousClock.Instant {
        Self.start + .milliseconds(milliseconds)
    }

    @Test func oneThatIsNotRenewed() {
        var watch = DeadNodeWatch()
        let row = node(1, renewedAt: 5)
        #expect(watch.dead(among: [row], at: at(0)).isEmpty)
        #expect(watch.dead(among: [row], at: at(1049)).isEmpty)
        #expect(watch.dead(among: [row], at: at(1050)) == [row])
        // It is named again, should it not have been removed.
        #expect(watch.dead(among: [row], at: at(2000)) == [row])
    }

    @Test func oneThatIsRenewed() {
        var watch = DeadNodeWatch()
        for step in 0..<100 as Range<Int64> {
            let row = node(1, renewedAt: step)
            #expect(watch.dead(among: [row], at: at(step * 1000)).isEmpty)
        }
        // A wall clock that goes back is another time all the same.
        #expect(watch.dead(among: [node(1, renewedAt: 98)], at: at(100_000)).isEmpty)
        #expect(watch.dead(among: [node(1, renewedAt: 98)], at: at(101_049)).isEmpty)
        #expect(watch.dead(among: [node(1, renewedAt: 98)], at: at(101_050)).count == 1)
    }

    @Test func oneThatVanishes() {
        var watch = DeadNodeWatch()
        let row = node(1, renewedAt: 5)
        #expect(watch.dead(among: [row], at: at(0)).isEmpty)
        #expect(watch.dead(among: [], at: at(1000)).isEmpty)
        // Should it be there again, it is watched from then on.
        #expect(watch.dead(among: [row], at: at(2000)).isEmpty)
        #expect(watch.dead(among: [row], at: at(3049)).isEmpty)
        #expect(watch.dead(among: [row], at: at(3050)) == [row])
    }

    /// A watcher that was stopped for a while takes nobody for dead who was renewed meanwhile.
    @Test func aWatcherThatPaused() {
        var watch = DeadNodeWatch()
        let living = node(1, renewedAt: 5)
        let dead = node(2, renewedAt: 5)
        #expect(watch.dead(among: [living, dead], at: at(0)).isEmpty)
        let renewed = node(1, renewedAt: 9_000_000)
        #expect(watch.dead(among: [renewed, dead], at: at(10_000)) == [dead])
        #expect(watch.dead(among: [renewed], at: at(11_000)).isEmpty)
    }

    /// A row that only this process has not seen for long is not old, whatever its time says.
    @Test func aNewWatcherKnowsNothing() {
        var watch = DeadNodeWatch()
        #expect(watch.dead(among: [node(1, renewedAt: .min)], at: at(1_000_000)).isEmpty)
    }

    @Test func eachHasItsOwnLease() {
        var watch = DeadNodeWatch()
        let short = node(1, renewedAt: 5)
        let long = node(2, renewedAt: 5, lease: .seconds(1))
        #expect(watch.dead(among: [short, long], at: at(0)).isEmpty)
        #expect(watch.dead(among: [short, long], at: at(10_499)) == [short])
        #expect(watch.dead(among: [short, long], at: at(10_500)) == [short, long])
    }
}
