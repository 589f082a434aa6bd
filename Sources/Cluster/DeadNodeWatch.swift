import Lease
import OAuth
package import Storage

/// Finds the rows of dead nodes, pure: a row is one if it was not renewed for ten leases while this
/// process watched it, by its own clock. Nobody's wall clock matters.
package struct DeadNodeWatch: Sendable {
    private var unchanged: [Identifier: (row: NodeRecord, since: ContinuousClock.Instant)] = [:]

    package init() {}

    /// The rows that may go.
    /// - Parameter now: from before or after the rows were read; it only makes them wait longer.
    package mutating func dead(
        among nodes: [NodeRecord], at now: ContinuousClock.Instant
    ) -> [NodeRecord] {
        var seen: [Identifier: (row: NodeRecord, since: ContinuousClock.Instant)] = [:]
        for node in nodes {
            if let before = unchanged[node.id], before.row.renewedAt == node.renewedAt {
                seen[node.id] = before
            } else {
                seen[node.id] = (node, now)
            }
        }
        unchanged = seen
        return nodes.filter { node in
            guard let since = seen[node.id]?.since else { return false }
            return now - since >= Lease.outlasting(node.lease * 10)
        }
    }
}
