import Metrics
package import OAuth
import Synchronization

/// What every certain answer passes: whether this node holds a lease now, and of which reign.
///
/// Whoever asks reads the clock and compares: a flag that a timer sets would stay up while the process
/// is stopped. A request that finds no lease waits for the next one, so that a database that stalls for
/// a moment fails nobody.
package final class LeaseGate: Sendable {
    /// A lease, as it was granted.
    package struct Held: Sendable {
        /// Names the stay under which it was granted.
        package let incarnation: Identifier
        package let reign: Reign
        /// Its end, by the local clock (CLOCK_BOOTTIME, which goes on while the machine sleeps).
        package let until: ContinuousClock.Instant
        /// The database's time at `heardAt`, or a little later, in microseconds since 1970.
        fileprivate let databaseTime: Int64
        fileprivate let heardAt: ContinuousClock.Instant

        /// The database's time, carried forward by the local clock.
        package func time(at now: ContinuousClock.Instant) -> UnixTime {
            UnixTime(seconds: (databaseTime + (now - heardAt).microseconds) / 1_000_000)
        }
    }

    private struct Waiter: Sendable {
        let deadline: ContinuousClock.Instant
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var held: Held?
        /// Goes up with every lease.
        var serial: UInt64 = 0
        var waiters: [Waiter] = []
        /// Whether `watch` runs.
        var isWatched = false
        /// The end of the last lease there was; a process begins without one.
        var lastUntil = ContinuousClock.now
        /// When a poll was last sent that brought one, and the database's time then.
        var lastHeardAt = ContinuousClock.now
        var lastTime: Int64?
        var outage: Outage?
    }

    private let state = Mutex(State())
    private let waits = Timer(label: "doornail_lease_wait_seconds")
    private let age = Gauge(label: "doornail_lease_age_seconds")

    package init() {}

    // MARK: Asking

    /// The lease, if there is one now.
    package func held(at now: ContinuousClock.Instant) -> Held? {
        valid(state.withLock { $0.held }, at: now)
    }

    private func valid(_ held: Held?, at now: ContinuousClock.Instant) -> Held? {
        guard let held else { return nil }
        if LeaseTrap.timerLease.isPlanted { return held }
        if LeaseTrap.wallClockLease.isPlanted { return LeaseTrap.isBeforeEnd ? held : nil }
        return now < held.until ? held : nil
    }

    /// The lease, or the next one; unavailable where none comes in time.
    package func lease(
        by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> Held {
        let began = ContinuousClock.now
        // What is left when a lease comes has to be enough for the database's answer.
        let limit = deadline - Limits.leaseReserve
        while true {
            let (held, serial) = state.withLock { ($0.held, $0.serial) }
            let now = ContinuousClock.now
            if let held = valid(held, at: now) {
                if now - began > .milliseconds(1) {
                    waits.recordNanoseconds((now - began).microseconds * 1000)
                }
                return held
            }
            try await next(after: serial, by: limit)
        }
    }

    /// Returns once there is a lease of a reign: the present one may be of a reign before.
    /// - Parameter mayCome: throws where no lease of that reign can come any more.
    package func lease(
        of reign: Reign, by deadline: ContinuousClock.Instant,
        mayCome: () throws(StoreError) -> Void
    ) async throws(StoreError) {
        while true {
            let serial = state.withLock { $0.serial }
            if try await lease(by: deadline).reign == reign { return }
            try mayCome()
            try await next(after: serial, by: deadline)
        }
    }

    /// How long there has been no lease; nil while there is one.
    package func lapsed(at now: ContinuousClock.Instant) -> Duration? {
        let until = state.withLock { $0.lastUntil }
        return now < until ? nil : now - until
    }

    /// The last outage of the database as this node saw it: that it was not heard for a while, or that
    /// its time leapt forward, as at a failover to a machine whose clock is ahead. While one may be
    /// under way, nothing is said: a retry after it must not be taken for a replay.
    package func outage() throws(StoreError) -> Outage? {
        let (heardAt, time, outage) = state.withLock { ($0.lastHeardAt, $0.lastTime, $0.outage) }
        guard time != nil, .now - heardAt < Self.outageAfter else {
            throw .unavailable("this node has not heard the database for a while")
        }
        return outage
    }

    /// The last outage, once the database was heard again.
    private static func outage(
        _ known: Outage?, heard last: UnixTime, now: UnixTime, isOne: Bool
    ) -> Outage? {
        guard isOne else {
            // The time went back: what lies ahead of it would be an outage until then.
            return known.map { Outage(began: $0.began, ended: min($0.ended, now)) }
        }
        // One that follows within that time is the same one: what was lost in it may not have been
        // asked for yet.
        if let known, last < known.ended.adding(seconds: sameOutageSeconds) {
            return Outage(began: min(known.began, last), ended: now)
        }
        return Outage(began: last, ended: now)
    }

    /// How long the database is not heard before that is an outage.
    private static let outageAfter: Duration = .seconds(5)
    /// Outages that are no further apart are one: a retry window of the default length.
    private static let sameOutageSeconds: Int64 = 30

    /// Whether `watch` runs. It lets waiters go at their deadlines, so without it nobody waits.
    package var isWatched: Bool { state.withLock { $0.isWatched } }

    private static let without = StoreError.unavailable(
        "this node holds no lease: it has not heard the database for a moment")

    /// Waits until a lease is granted after the one that has a serial number.
    private func next(
        after serial: UInt64, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                guard state.serial == serial, state.isWatched,
                    state.waiters.count < Limits.leaseWaiters, ContinuousClock.now < deadline
                else { return true }
                state.waiters.append(Waiter(deadline: deadline, continuation: continuation))
                return false
            }
            if isOver { continuation.resume() }
        }
        guard state.withLock({ $0.serial }) != serial else { throw Self.without }
    }

    // MARK: Keeping

    /// A lease begins, or goes on.
    /// - Parameter time: the database's, in microseconds since 1970, as it answered.
    package func grant(
        _ incarnation: Identifier, of reign: Reign, at time: Int64,
        sentAt: ContinuousClock.Instant, until: ContinuousClock.Instant
    ) {
        LeaseTrap.granted(for: until - sentAt)
        let waiters = state.withLock { state in
            if let last = state.lastTime {
                state.outage = Self.outage(
                    state.outage, heard: UnixTime(seconds: last / 1_000_000),
                    now: UnixTime(seconds: time / 1_000_000),
                    isOne: max(sentAt - state.lastHeardAt, .microseconds(time - last))
                        >= Self.outageAfter)
            }
            // Each poll anchors the time anew: what the local clock gains is never carried on.
            state.held = Held(
                incarnation: incarnation, reign: reign, until: until, databaseTime: time,
                heardAt: sentAt)
            state.lastUntil = until
            state.lastHeardAt = sentAt
            state.lastTime = time
            state.serial += 1
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume() }
    }

    /// There is no lease from now on.
    package func giveUp() {
        state.withLock { state in
            state.held = nil
            state.lastUntil = min(state.lastUntil, .now)
        }
    }

    /// Lets waiters go whose deadline has passed, and records how old the lease is, until the task is
    /// cancelled.
    package func watch() async {
        state.withLock { $0.isWatched = true }
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(20))
            let now = ContinuousClock.now
            let (over, heardAt) = state.withLock { state in
                if LeaseTrap.timerLease.isPlanted, let held = state.held, held.until <= now {
                    state.held = nil
                }
                let over = state.waiters.filter { $0.deadline <= now }
                if !over.isEmpty { state.waiters.removeAll { $0.deadline <= now } }
                return (over, state.lastHeardAt)
            }
            for waiter in over { waiter.continuation.resume() }
            age.record(Double((now - heardAt).microseconds) / 1e6)
        }
        let left = state.withLock { state in
            state.isWatched = false
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in left { waiter.continuation.resume() }
    }
}
