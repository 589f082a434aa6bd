package import Logging
import Metrics
package import OAuth
import Postgres
import Storage
import Synchronization

/// Follows the revocation log over a connection of its own, and so keeps the node's lease: it joins,
/// polls, applies and reports. What is to be done is decided by `Lease`; here it is done, in order.
package final class LogFollower: Sendable {
    package struct Configuration: Sendable {
        /// The database, as the pool has it.
        package var url: String
        /// How long a lease is.
        package var lease: Duration

        package init(url: String, lease: Duration) {
            self.url = url
            self.lease = lease
        }

        /// How often the log is looked at when nobody says that there is something new.
        var interval: Duration { lease / 5 }
        /// How long a poll may take. One that takes longer brings no lease, but what it reports counts.
        var patience: Duration { max(lease * 4, .seconds(2)) }
    }

    private let configuration: Configuration
    private let gate: LeaseGate
    private let cache: AnswerCache
    private let fingerprints: [[UInt8]]
    private let version: String
    private let logger: Logger
    /// The id of the row that this node has, or tried to have.
    private let row = Mutex<Identifier>(LogFollower.newID())
    private let metrics = FollowerMetrics()

    package init(
        _ configuration: Configuration, gate: LeaseGate, cache: AnswerCache,
        fingerprints: [[UInt8]], version: String, logger: Logger
    ) {
        self.configuration = configuration
        self.gate = gate
        self.cache = cache
        self.fingerprints = fingerprints
        self.version = version
        self.logger = logger
    }

    /// The id of the node's row.
    package var id: Identifier { row.withLock { $0 } }

    /// Keeps the lease until the task is cancelled; then there is none any more.
    /// - Parameter listed: the secrets that the row is to list, as this node knows them since it
    ///   joined under the id; nil: those of the join.
    package func run(listed: @Sendable (Identifier) -> Set<UInt8>?) async {
        var lease = Lease(length: configuration.lease)
        var reign: Reign?
        var failures = 0
        while !Task.isCancelled {
            do {
                let log = try await LogConnection.open(
                    configuration.url, logger: logger, deadline: .now + configuration.patience)
                // The row and what was applied outlive a connection; the lease ends by itself.
                do {
                    try await follow(log, &lease, &reign, failures: &failures, listed)
                } catch {
                    await log.close()
                    throw error
                }
                await log.close()
            } catch {
                failures += 1
                // One lost connection is nothing to wake anybody for: the next is there at once.
                logger.log(
                    level: failures == 3 ? .warning : .debug, "the revocation log was not read",
                    metadata: ["error": "\(error)", "attempts": "\(failures)"])
                metrics.failures.increment()
                // A join whose commit hangs leaves a connection behind at the server, so the next
                // one takes its time; an overdue poll waits at the row for the one before it.
                let pause =
                    lease.following == nil ? min(failures * 250, 3000) : min(failures * 25, 250)
                if failures > 1 { try? await Task.sleep(for: .milliseconds(pause)) }
            }
        }
        gate.giveUp()
    }

    private func follow(
        _ log: LogConnection, _ lease: inout Lease, _ reign: inout Reign?, failures: inout Int,
        _ listed: @Sendable (Identifier) -> Set<UInt8>?
    ) async throws(StoreError) {
        while !Task.isCancelled {
            guard let following = lease.following else {
                try await join(log, &lease, &reign)
                continue
            }
            let sentAt = ContinuousClock.now
            var poll = try await log.poll(
                following.incarnation, applied: following.applied, since: following.joining,
                keyIDs: listed(following.incarnation),
                deadline: sentAt + configuration.patience)
            if Trap.upsertPoll.isPlanted, !poll.isRenewed {
                poll = try await putBack(log, following, poll)
            }
            let answeredAt = ContinuousClock.now
            metrics.polls.recordNanoseconds((answeredAt - sentAt).microseconds * 1000)
            if !Trap.oldPrimary.isPlanted { try gate.hear(poll.primary) }
            if failures >= 3 { logger.notice("the revocation log is read again") }
            failures = 0
            let countedFrom = Trap.leaseFromReply.isPlanted ? answeredAt : sentAt
            switch lease.received(poll, sentAt: countedFrom) {
            case .rejoin(let reason):
                leave(because: reason)
            case .renew(let until):
                if mayHold(under: reign, following) {
                    gate.grant(
                        following.incarnation, by: poll.primary, sentAt: sentAt, until: until)
                }
                metrics.applied.record(following.applied)
                // A poll that was slow brought a lease that is nearly over, or over.
                guard .now < sentAt + configuration.interval else { continue }
                try await log.waitForNews(by: sentAt + configuration.interval)
            case .apply(let entries, let until):
                if Trap.earlyApplied.isPlanted { try await reportEarly(log, following, entries) }
                cache.apply(entries)
                lease.applied(through: entries.last?.number ?? following.applied)
                if let until, mayHold(under: reign, following) {
                    gate.grant(
                        following.incarnation, by: poll.primary, sentAt: sentAt, until: until)
                }
            }
        }
    }

    /// A primary as long as it is one, and when this node first heard it.
    private struct Reign {
        let primary: Primary
        let heardAt: ContinuousClock.Instant
    }

    /// Whether a lease may be held under a primary by now: once no other node can hold one of the
    /// primary before it. Otherwise what is issued here would be unknown there, with proof.
    private func mayHold(under reign: Reign?, _ following: Lease.Following) -> Bool {
        guard let reign else { return false }
        if Trap.noWaitAfterPromotion.isPlanted { return true }
        let longest = max(configuration.lease, following.joining.longestLease)
        return .now >= reign.heardAt + Lease.outlasting(longest)
    }

    private func join(
        _ log: LogConnection, _ lease: inout Lease, _ reign: inout Reign?
    ) async throws(StoreError) {
        gate.giveUp()
        cache.clear()
        let new = LogFollower.newID()
        let previous = row.withLock { row in
            defer { row = new }
            return row
        }
        let joining = try await log.join(
            as: new, insteadOf: previous, fingerprints: fingerprints, version: version,
            lease: configuration.lease, deadline: .now + configuration.patience)
        try gate.hear(joining.primary)
        if reign.map({ $0.primary.isSameReign(as: joining.primary) }) != true {
            reign = Reign(primary: joining.primary, heardAt: .now)
        }
        // Again, so that nothing that was under way while the row was made counts.
        cache.clear()
        lease.joined(as: new, joining)
        logger.info(
            "joined the other nodes",
            metadata: ["node": "\(new)", "applied": "\(joining.endOfLog)"])
    }

    private func leave(because reason: Lease.Reason) {
        gate.giveUp()
        cache.clear()
        metrics.rejoins(reason).increment()
        logger.warning("this node joins again", metadata: ["reason": "\(reason.rawValue)"])
    }

    /// A trap: says that it applied what it did not.
    private func reportEarly(
        _ log: LogConnection, _ following: Lease.Following, _ entries: [LogEntry]
    ) async throws(StoreError) {
        _ = try await log.poll(
            following.incarnation, applied: entries.last?.number ?? 0, since: following.joining,
            keyIDs: nil, deadline: .now + configuration.patience)
        try? await Task.sleep(for: configuration.lease / 2)
    }

    /// A trap: puts the row back that others removed.
    private func putBack(
        _ log: LogConnection, _ following: Lease.Following, _ poll: Poll
    ) async throws(StoreError) -> Poll {
        let joining = try await log.join(
            as: following.incarnation, insteadOf: following.incarnation,
            fingerprints: fingerprints, version: version, lease: configuration.lease,
            deadline: .now + configuration.patience)
        return Poll(
            primary: joining.primary, isRenewed: true, endOfLog: following.applied, entries: [])
    }

    private static func newID() -> Identifier {
        var random = SystemRandomNumberGenerator()
        return Identifier(milliseconds: 0, using: &random)
    }
}

private struct FollowerMetrics: Sendable {
    let polls = Timer(label: "doornail_lease_poll_seconds")
    let applied = Gauge(label: "doornail_log_applied_number")
    let failures = Counter(label: "doornail_lease_failures_total")

    func rejoins(_ reason: Lease.Reason) -> Counter {
        Counter(label: "doornail_lease_rejoins_total", dimensions: [("reason", "\(reason)")])
    }
}
