package import Lease
package import OAuth
import Postgres
package import Storage

/// What makes a node's answers certain: a lease of the reign of the server that answered.
package struct LeaseAuthority: Authority {
    package let gate = LeaseGate()
    /// The newest primary that answered, by whatever connection.
    package let newest = PrimaryGuard()

    package init() {}

    package func prove(
        _ primary: Primary, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) {
        if Trap.noProof.isPlanted { return }
        if Trap.oldPrimary.isPlanted, gate.held(at: .now) != nil { return }
        try newest.check(primary)
        try await gate.lease(of: primary.reign, by: deadline) { () throws(StoreError) in
            try newest.check(primary)
        }
        // The lease may have come while this waited, from a primary newer than the one that answered.
        try newest.check(primary)
    }
}
