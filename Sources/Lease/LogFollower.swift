package import Logging
import Metrics
import OAuth

/// Follows the revocation log, and so keeps the lease: it joins, polls, applies and reports. What is to be
/// done is decided by `Lease`; here it is done, in order.
package final class LogFollower: Sendable {
    private let upstream: any Upstream
    /// How long a lease is.
    private let length: Duration
    private let gate: LeaseGate
    private let cache: AnswerCache
    private let logger: Logger
    private let metrics = FollowerMetrics()

    package init(
        _ upstream: any Upstream, lease length: Duration, gate: LeaseGate, cache: AnswerCache,
        logger: Logger
    ) {
        self.upstream = upstream
        self.length = length
        self.gate = gate
        self.cache = cache
        self.logger = logger
    }

    /// How often the log is looked at when nobody says that there is something new.
    private var interval: Duration { length / 5 }
    /// How long a poll may take. One that takes longer brings no lease, but what it reports counts.
    private var patience: Duration { max(length * 4, .seconds(2)) }

    /// Keeps the lease until the task is cancelled, and gives it up then.
    package func run() async {
        var lease = Lease(length: length)
        var reign: HeardReign?
        var failures = 0
        while !Task.isCancelled {
            do {
                try await upstream.connect(by: .now + patience)
                // The stay and what was applied outlive a connection; the lease ends by itself.
                try await follow(&lease, &reign, failures: &failures)
            } catch {
                await upstream.disconnect()
                failures += 1
                // One lost connection is nothing to wake anybody for: the next one is made immediately.
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
        await upstream.disconnect()
        gate.giveUp()
    }

    private func follow(
        _ lease: inout Lease, _ reign: inout HeardReign?, failures: inout Int
    ) async throws(StoreError) {
        while !Task.isCancelled {
            guard let following = lease.following else {
                try await join(&lease, &reign)
                continue
            }
            let sentAt = ContinuousClock.now
            let poll = try await upstream.poll(
                following.joining, applied: following.applied, by: sentAt + patience)
            let answeredAt = ContinuousClock.now
            metrics.polls.recordNanoseconds((answeredAt - sentAt).microseconds * 1000)
            if failures >= 3 { logger.notice("the revocation log is read again") }
            failures = 0
            let countedFrom = LeaseTrap.leaseFromReply.isPlanted ? answeredAt : sentAt
            switch lease.received(poll, sentAt: countedFrom) {
            case .rejoin(let reason):
                leave(because: reason)
            case .renew(let until):
                if mayHold(under: reign, following) {
                    grant(following, poll, sentAt: sentAt, until: until)
                }
                metrics.applied.record(following.applied)
                // A poll that was slow brought a lease that is nearly over, or over.
                guard .now < sentAt + interval else { continue }
                try await upstream.waitForNews(by: sentAt + interval)
            case .apply(let entries, let until):
                if LeaseTrap.earlyApplied.isPlanted {
                    await upstream.reportEarly(
                        following.joining, entries, by: .now + patience, resting: length / 2)
                }
                cache.apply(entries)
                lease.applied(through: entries.last?.number ?? following.applied)
                if let until, mayHold(under: reign, following) {
                    grant(following, poll, sentAt: sentAt, until: until)
                }
            }
        }
    }

    private func grant(
        _ following: Lease.Following, _ poll: Poll, sentAt: ContinuousClock.Instant,
        until: ContinuousClock.Instant
    ) {
        gate.grant(
            following.joining.incarnation, of: poll.reign, at: poll.time, sentAt: sentAt,
            until: until)
    }

    /// A reign, and when this node first heard of it.
    private struct HeardReign {
        let reign: Reign
        let heardAt: ContinuousClock.Instant
    }

    /// Whether a lease may be held under a primary by now: once no other node can hold one of the
    /// primary before it. Otherwise what is issued here would be unknown there, with proof.
    private func mayHold(under reign: HeardReign?, _ following: Lease.Following) -> Bool {
        guard let reign else { return false }
        if LeaseTrap.noWaitAfterPromotion.isPlanted { return true }
        let longest = max(length, following.joining.longestLease)
        return .now >= reign.heardAt + Lease.outlasting(longest)
    }

    private func join(
        _ lease: inout Lease, _ reign: inout HeardReign?
    ) async throws(StoreError) {
        gate.giveUp()
        cache.clear()
        let joining = try await upstream.join(by: .now + patience)
        if reign?.reign != joining.reign {
            reign = HeardReign(reign: joining.reign, heardAt: .now)
        }
        // Again, so that nothing that was under way while it joined counts.
        cache.clear()
        lease.joined(joining)
        logger.info(
            "joined the other nodes",
            metadata: ["node": "\(joining.incarnation)", "applied": "\(joining.endOfLog)"])
    }

    private func leave(because reason: Lease.Reason) {
        gate.giveUp()
        cache.clear()
        metrics.rejoins(reason).increment()
        logger.warning("this node joins again", metadata: ["reason": "\(reason.rawValue)"])
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
