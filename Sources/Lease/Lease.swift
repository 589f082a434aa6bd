/// A node's side of the lease protocol (docs/promise.md), pure: what polls brought in, actions out.
///
/// It is *away* until its row was committed, and from the moment that anything shows that the row, the
/// log or the primary is another one. While it is away there is no lease, and the cache is empty.
package struct Lease: Sendable {
    /// How much clocks of two machines may differ in their rate.
    package static let drift = 0.05
    /// How many entries a node applies before it would rather begin anew.
    package static let farBehind: Int64 = 20_000

    /// What a joined node follows.
    package struct Following: Sendable {
        package let joining: Joining
        /// The number of the log up to which it is applied.
        package fileprivate(set) var applied: Int64
    }

    /// What is to be done after a poll.
    package enum Action: Sendable, Equatable {
        /// To apply these, and then to report them by the next poll, which goes immediately. When they
        /// are applied, a lease begins that ends at the moment given; none where the log goes on.
        case apply([LogEntry], leaseUntil: ContinuousClock.Instant?)
        /// There is nothing new: the lease goes on until the moment given.
        case renew(until: ContinuousClock.Instant)
        /// To give up the lease and the cache, and to join again.
        case rejoin(because: Reason)
    }

    /// Why a node has to join again.
    package enum Reason: String, Sendable, CaseIterable {
        case givenUp = "its row was removed, or the log or the primary is another one"
        case gap = "the log has a gap"
        case shorter = "the log ends before what was applied"
        case behind = "it is so far behind that an empty cache is quicker"
    }

    package let length: Duration
    package private(set) var following: Following?

    package init(length: Duration) {
        self.length = length
    }

    /// How long a revoker waits for leases of that length.
    package static func outlasting(_ length: Duration) -> Duration {
        length * (1 + drift)
    }

    /// The node's row was committed, with an empty cache and no fills in flight.
    package mutating func joined(_ joining: Joining) {
        following = Following(joining: joining, applied: joining.endOfLog)
    }

    /// Decides what a poll's answer means.
    /// - Parameter sentAt: the local clock before the poll was sent; a lease counts from there, since
    ///   the database read its log some time after it.
    package mutating func received(
        _ poll: Poll, sentAt: ContinuousClock.Instant
    ) -> Action {
        guard let joined = following, poll.isRenewed,
            poll.reign == joined.joining.reign
        else { return rejoin(because: .givenUp) }
        guard poll.endOfLog >= joined.applied else { return rejoin(because: .shorter) }
        // Numbers of the database may be any: no sum or difference of them may trap.
        guard UInt64(bitPattern: poll.endOfLog &- joined.applied) <= Self.farBehind.magnitude else {
            return rejoin(because: .behind)
        }
        var expected = joined.applied
        for entry in poll.entries {
            expected &+= 1
            if LeaseTrap.sequenceLog.isPlanted { expected = entry.number }
            guard entry.number == expected else { return rejoin(because: .gap) }
        }
        let until = sentAt + length * (1 - Self.drift)
        if poll.entries.isEmpty {
            return expected == poll.endOfLog ? .renew(until: until) : rejoin(because: .gap)
        }
        return .apply(poll.entries, leaseUntil: expected == poll.endOfLog ? until : nil)
    }

    /// Entries were applied up to a number: the next poll reports it.
    package mutating func applied(through number: Int64) {
        following?.applied = number
    }

    private mutating func rejoin(because reason: Reason) -> Action {
        following = nil
        return .rejoin(because: reason)
    }
}
