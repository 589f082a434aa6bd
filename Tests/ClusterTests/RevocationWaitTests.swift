import Cluster
import OAuth
import Postgres
import Storage
import Testing

/// How long a revocation waits.
@Suite struct RevocationWaitTests {
    static func node(
        _ number: UInt64, applied: Int64, lease: Duration = .milliseconds(200),
        renewedAt: Int64 = 0
    ) -> NodeRecord {
        NodeRecord(
            id: Identifier(high: 0, low: number), keyIDs: [], lease: lease, applied: applied,
            renewedAt: PostgresTime(microseconds: renewedAt))
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var nodes: [NodeRecord] = []
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
        let list = NodeList(endOfLog: 10, timelineAge: .seconds(60), nodes: given.nodes)
        #expect(
            RevocationWait.step(
                for: 10, elapsed: given.elapsed, list: list, isWhole: given.isWhole)
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
            RevocationWait.isWhole(NodeList(endOfLog: 10, timelineAge: age, nodes: nodes))
                == expected)
        // Where there is no node, there is no lease.
        #expect(!RevocationWait.isWhole(NodeList(endOfLog: 10, timelineAge: age, nodes: [])))
    }
}

/// Which rows are those of dead nodes.
@Suite struct DeadNodeWatchTests {
    static let start = ContinuousClock.now

    private func node(
        _ number: UInt64, renewedAt: Int64, lease: Duration = .milliseconds(100)
    ) -> NodeRecord {
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
