package import OAuth
import Postgres
package import Storage

/// A node's side of the lease protocol (docs/promise.md), pure: answers of the database in, what is
/// to be done out.
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
        /// The id of the node's row: never used before, so that it also tells one stay from the next.
        package let incarnation: Identifier
        package let joining: Joining
        /// The number of the log up to which it is applied.
        package fileprivate(set) var applied: Int64
    }

    /// What is to be done after a poll.
    package enum Action: Sendable, Equatable {
        /// To apply these, and only then to say so by the next poll, at once. A lease until the moment
        /// given begins when they are applied; none where the log goes on beyond them.
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
    package mutating func joined(as incarnation: Identifier, _ joining: Joining) {
        following = Following(
            incarnation: incarnation, joining: joining, applied: joining.endOfLog)
    }

    /// Decides what a poll's answer means.
    /// - Parameter sentAt: the local clock before the poll was sent; a lease counts from there, since
    ///   the database read its log some time after it.
    package mutating func received(
        _ poll: Poll, sentAt: ContinuousClock.Instant
    ) -> Action {
        guard let joined = following, poll.isRenewed,
            poll.primary.isSameReign(as: joined.joining.primary)
        else { return rejoin(because: .givenUp) }
        guard poll.endOfLog >= joined.applied else { return rejoin(because: .shorter) }
        // Numbers of the database may be any: no sum or difference of them may trap.
        guard UInt64(bitPattern: poll.endOfLog &- joined.applied) <= Self.farBehind.magnitude else {
            return rejoin(because: .behind)
        }
        var expected = joined.applied
        for entry in poll.entries {
            expected &+= 1
            if Trap.sequenceLog.isPlanted { expected = entry.number }
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

/// How long a revocation has to wait, pure.
package enum RevocationWait {
    package enum Step: Sendable, Equatable {
        /// It holds on every node.
        case done
        /// To look at the rows again, or to wait until this much has passed since the commit.
        case wait(atMost: Duration)
    }

    /// - Parameters:
    ///   - number: the end of the log as it was first read after the commit: the revocation's own
    ///     number, or one above it.
    ///   - elapsed: how long ago the commit was answered, by the revoker's clock.
    ///   - roll: the nodes' rows, read after the commit.
    ///   - isWhole: whether rows cannot be trusted to say all, and the longest lease has to pass.
    package static func step(
        for number: Int64, elapsed: Duration, roll: Roll, isWhole: Bool
    ) -> Step {
        let behind = isWhole ? roll.nodes : roll.nodes.filter { $0.applied < number }
        guard let longest = behind.map(\.lease).max() else { return .done }
        let limit = Lease.outlasting(longest)
        return elapsed >= limit ? .done : .wait(atMost: limit)
    }

    /// Whether the primary is so new that nodes may hold leases of the one before it.
    package static func isWhole(_ roll: Roll) -> Bool {
        guard let longest = roll.nodes.map(\.lease).max() else { return false }
        guard let age = roll.timelineAge else { return true }
        // Leases of the primary before began before the log was first written here. A clock that was
        // set back says nothing.
        return age < .zero || age < Lease.outlasting(longest)
    }
}
