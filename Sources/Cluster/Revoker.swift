import Lease
package import Logging
import Metrics
package import OAuth
import Postgres
package import Storage

/// That something has ended, on every node: only with one in hand is a revocation acknowledged.
package struct Receipt: Sendable {
    /// The database's time of the end.
    package let endedAt: UnixTime
    fileprivate init(endedAt: UnixTime) {
        self.endedAt = endedAt
    }
}

/// The one seam that every end goes through: `/revoke`, the command line, and all later ways.
///
/// It returns once the end is committed and holds at every node: each has said that it applied it, or
/// can hold no lease that is older (docs/promise.md). It has no connection of its own while it waits.
package struct Revoker: Sendable {
    let store: Store
    private let logger: Logger
    private let waits = Timer(label: "doornail_revocation_wait_seconds")
    private let repeats = Repeats<Repeated, Receipt>()

    /// A token or grant that is ended again and again, for one cause: one commit at a time is enough,
    /// as long as each answer rests on one that was begun after its request came.
    private struct Repeated: Hashable {
        let kind: String
        let subject: String
        let cause: Cause
    }

    package init(store: Store, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// Ends something; each end writes an audit line, and so does each failure to end.
    /// - Parameter deadline: when the caller gives up; statements of the command line have their own.
    package func end(
        _ change: TrustChange, because cause: Cause,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> Receipt {
        switch change {
        case .token, .grant:
            try await repeats.perform(
                Repeated(kind: change.kind, subject: change.subject, cause: cause), by: deadline
            ) { (requests, last) async throws(StoreError) in
                try await end(change, because: cause, by: last, requests: requests)
            }
        default:
            try await end(change, because: cause, by: deadline, requests: 1)
        }
    }

    /// - Parameter requests: how many requests it answers.
    private func end(
        _ change: TrustChange, because cause: Cause, by deadline: ContinuousClock.Instant,
        requests: Int
    ) async throws(StoreError) -> Receipt {
        do {
            let early = Trap.earlyNodeRows.isPlanted ? try await store.nodeList(by: deadline) : nil
            let endedAt = try await commit(change, because: cause, by: deadline)
            // Ending everything takes as long as it takes; what follows has its own time.
            var limit = deadline
            if case .everything = change { limit = Store.deadline }
            try await untilEverywhere(since: .now, by: limit, early)
            note(change, cause, outcome: "ended", level: .notice, requests: requests)
            return Receipt(endedAt: endedAt)
        } catch {
            note(
                change, cause, outcome: "failed", level: .warning, requests: requests, error: error)
            if Trap.swallowedError.isPlanted { return Receipt(endedAt: UnixTime(seconds: 0)) }
            throw error
        }
    }

    /// Waits until what was committed holds at every node.
    ///
    /// The rows are read after the commit, from a server that is no older primary than the one that
    /// committed it (`Store.roll`). The log's end, read with them, stands for the commit's own number.
    private func untilEverywhere(
        since committedAt: ContinuousClock.Instant, by deadline: ContinuousClock.Instant,
        _ early: NodeList?
    ) async throws(StoreError) {
        var list = if let early { early } else { try await store.nodeList(by: deadline) }
        let number = list.endOfLog
        let isWhole = RevocationWait.isWhole(list) && !LeaseTrap.noWaitAfterPromotion.isPlanted
        var pause: Duration = .milliseconds(1)
        while true {
            let elapsed = ContinuousClock.now - committedAt
            let step = RevocationWait.step(
                for: number, elapsed: elapsed, list: list, isWhole: isWhole)
            guard case .wait(let longest) = step else {
                waits.recordNanoseconds(elapsed.microseconds * 1000)
                return
            }
            guard ContinuousClock.now < deadline else {
                throw .unavailable(
                    "it is committed, but not every node can have heard of it; ask again")
            }
            do {
                let left = deadline - .now
                try await Task.sleep(for: min(isWhole ? longest : pause, longest - elapsed, left))
            } catch {
                throw .unavailable("it is committed, but nobody waits for the answer any more")
            }
            pause = min(pause * 3 / 2, .milliseconds(20))
            if !isWhole, early == nil { list = try await store.nodeList(by: deadline) }
        }
    }

    private func commit(
        _ change: TrustChange, because cause: Cause, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> UnixTime {
        if Trap.noOpRevocation.isPlanted, let endedAt = try await alreadyOver(change, by: deadline)
        {
            return endedAt
        }
        return switch change {
        case .token(let token, let client):
            try await store.revoke(token, of: client, because: cause, by: deadline)
        case .grant(let id):
            try await store.revokeGrant(id, because: cause, by: deadline)
        case .session(let id):
            try await store.revokeSession(id, because: cause, by: deadline)
        case .user(let user):
            try await store.endUser(user, because: cause, by: deadline)
        case .userDisabled(let user):
            try await store.endUser(user, disabling: true, because: cause)
        case .userDeleted(let user):
            try await store.deleteUser(user, because: cause)
        case .userEnabled(let user):
            try await store.enableUser(user, because: cause)
        case .password(let user, let hash):
            try await store.endUser(user, password: hash, because: cause)
        case .others(let login, let cookie):
            try await store.endOthers(keeping: login, with: cookie, because: cause, by: deadline)
        case .ownPassword(let login, let hash, let cookie):
            try await store.endOthers(
                keeping: login, with: cookie, password: hash, because: cause, by: deadline)
        case .client(let id):
            try await store.endClient(id, disabling: false, because: cause)
        case .clientDisabled(let id):
            try await store.endClient(id, disabling: true, because: cause)
        case .clientDeleted(let id):
            try await store.deleteClient(id, because: cause)
        case .clientChanged(let change):
            try await store.updateClient(change, because: cause)
        case .clientEnabled(let id):
            try await store.enableClient(id, because: cause)
        case .clientSecret(let id, let hash, let keepsPrevious):
            try await store.rotateClientSecret(
                id, to: hash, keepsPrevious: keepsPrevious, because: cause)
        case .previousClientSecret(let id):
            try await store.dropPreviousClientSecret(id, because: cause)
        case .secret(let keyID):
            try await store.retireSecret(keyID, because: cause)
        case .everything:
            try await store.endEverything(because: cause).at
        }
    }

    private func note(
        _ change: TrustChange, _ cause: Cause, outcome: String, level: Logger.Level, requests: Int,
        error: StoreError? = nil
    ) {
        Counter(
            label: "doornail_ends_total",
            dimensions: [("kind", change.kind), ("outcome", outcome)]
        ).increment()
        var metadata: Logger.Metadata = [
            "audit": "end", "kind": "\(change.kind)", "subject": "\(change.subject)",
            "outcome": "\(outcome)", "reason": "\(cause.reason)", "actor": "\(cause.actor)",
        ]
        if requests > 1 { metadata["requests"] = "\(requests)" }
        if let error { metadata["error"] = "\(error)" }
        logger.log(level: level, "\(outcome): \(change.kind)", metadata: metadata)
    }
}
