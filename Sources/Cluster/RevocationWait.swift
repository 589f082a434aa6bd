import Lease
package import Storage

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
    ///   - list: the nodes' rows, read after the commit.
    ///   - isWhole: whether rows cannot be trusted to say all, and the longest lease has to pass.
    package static func step(
        for number: Int64, elapsed: Duration, list: NodeList, isWhole: Bool
    ) -> Step {
        let behind = isWhole ? list.nodes : list.nodes.filter { $0.applied < number }
        guard let longest = behind.map(\.lease).max() else { return .done }
        let limit = Lease.outlasting(longest)
        return elapsed >= limit ? .done : .wait(atMost: limit)
    }

    /// Whether the primary is so new that nodes may hold leases of the one before it.
    package static func isWhole(_ list: NodeList) -> Bool {
        guard let longest = list.nodes.map(\.lease).max() else { return false }
        guard let age = list.timelineAge else { return true }
        // Leases of the primary before began before the log was first written here. A clock that was
        // set back says nothing.
        return age < .zero || age < Lease.outlasting(longest)
    }
}
