import Lease
import OAuth
import Testing

/// A node's side of the lease protocol.
@Suite struct LeaseTests {
    static let length: Duration = .milliseconds(200)
    static let sentAt = ContinuousClock.now
    /// Five percent less than the length.
    static let until = sentAt + .milliseconds(190)

    static func reign(system: Int64 = 7, timeline: Int32 = 3) -> Reign {
        Reign(systemIdentifier: system, timeline: timeline)
    }

    static func joining(
        as incarnation: UInt64 = 5, in reign: Reign = reign(), endOfLog: Int64 = 10
    ) -> Joining {
        Joining(
            incarnation: Identifier(high: 5, low: incarnation), reign: reign,
            logID: Identifier(high: 1, low: 2), endOfLog: endOfLog)
    }

    static func poll(
        of reign: Reign = reign(), isRenewed: Bool = true, endOfLog: Int64, _ numbers: [Int64] = []
    ) -> Poll {
        Poll(
            reign: reign, time: 0, isRenewed: isRenewed, endOfLog: endOfLog,
            entries: entries(numbers))
    }

    static func entries(_ numbers: [Int64]) -> [LogEntry] {
        numbers.map { LogEntry(number: $0, kind: .grant, subject: Identifier(high: 1, low: 1)) }
    }

    /// A node that has applied the log up to 10.
    static func joined() -> Lease {
        var lease = Lease(length: length)
        lease.joined(joining())
        return lease
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var numbers: [Int64] = []
        var endOfLog: Int64 = 10
        var isRenewed = true
        var reign = LeaseTests.reign()
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
            testDescription: "another timeline", reign: reign(timeline: 4),
            action: .rejoin(because: .givenUp)),
        Case(
            testDescription: "an older timeline", reign: reign(timeline: 2),
            action: .rejoin(because: .givenUp)),
        Case(
            testDescription: "another system", reign: reign(system: 8),
            action: .rejoin(because: .givenUp)),
    ]

    @Test(arguments: cases)
    func whatAPollMeans(_ given: Case) {
        var lease = Self.joined()
        let poll = Self.poll(
            of: given.reign, isRenewed: given.isRenewed, endOfLog: given.endOfLog, given.numbers)
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
        lease.joined(Self.joining(endOfLog: applied))
        let poll = Self.poll(endOfLog: endOfLog, numbers)
        #expect(lease.received(poll, sentAt: Self.sentAt) == .rejoin(because: reason))
    }

    @Test func beforeItJoinedThereIsNoLease() {
        var lease = Lease(length: Self.length)
        #expect(lease.following == nil)
        let poll = Self.poll(endOfLog: 0)
        #expect(lease.received(poll, sentAt: Self.sentAt) == .rejoin(because: .givenUp))
        lease.applied(through: 5)
        #expect(lease.following == nil)
    }

    /// What is reported is what was said to be applied, and the next poll goes on from there.
    @Test func reportsWhatWasApplied() {
        var lease = Self.joined()
        #expect(lease.following?.joining.incarnation == Identifier(high: 5, low: 5))
        let first = Self.poll(endOfLog: 13, [11, 12])
        _ = lease.received(first, sentAt: Self.sentAt)
        #expect(lease.following?.applied == 10)
        lease.applied(through: 12)
        #expect(lease.following?.applied == 12)
        let next = Self.poll(endOfLog: 13, [13])
        #expect(
            lease.received(next, sentAt: Self.sentAt)
                == .apply(Self.entries([13]), leaseUntil: Self.until))
        lease.applied(through: 13)
        let last = Self.poll(endOfLog: 13)
        #expect(lease.received(last, sentAt: Self.sentAt) == .renew(until: Self.until))
    }

    /// A node that joined again, on a timeline where numbers are used again, starts from there.
    @Test func joinsAgain() {
        var lease = Self.joined()
        let promoted = Self.poll(of: Self.reign(timeline: 4), isRenewed: false, endOfLog: 8)
        _ = lease.received(promoted, sentAt: Self.sentAt)
        lease.joined(Self.joining(as: 6, in: Self.reign(timeline: 4), endOfLog: 8))
        #expect(lease.following?.joining.incarnation == Identifier(high: 5, low: 6))
        #expect(lease.following?.applied == 8)
        let poll = Self.poll(of: Self.reign(timeline: 4), endOfLog: 9, [9])
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
