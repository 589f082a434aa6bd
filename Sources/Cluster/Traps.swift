import Lease
import OAuth
import Storage

/// What the traps of this target do that takes more than a condition (docs/promise.md).
extension DatabaseUpstream {
    /// `Trap.upsertPoll`: puts the row back that others removed.
    func putBack(
        _ joining: Joining, applied: Int64, _ poll: Poll, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> Poll {
        let id = joining.incarnation
        let again = try await join(as: id, insteadOf: id, by: deadline)
        return Poll(
            reign: again.reign, time: poll.time, isRenewed: true, endOfLog: applied, entries: [])
    }
}

extension Revoker {
    /// `Trap.noOpRevocation`: the time of an end that is there already, without a commit.
    func alreadyOver(
        _ change: TrustChange, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> UnixTime? {
        guard case .token(let token, _) = change else { return nil }
        let state = try await store.liveness(of: .access(token), by: deadline)
        return state.isTokenRevoked ? state.readAt : nil
    }
}
