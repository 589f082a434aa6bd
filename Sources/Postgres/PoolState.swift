import DequeModule

/// How a pool is now.
package struct PoolStatus: Sendable, Equatable {
    package var open: Int
    package var idle: Int
    package var waiting: Int
    /// Why no connection could be opened, last; nil once one was.
    package var lastError: String?
}

/// The pool's bookkeeping, without I/O or clock: who has a connection, who waits for one, and what
/// is being opened. Each change returns whom to tell.
struct PoolState {
    typealias Instant = ContinuousClock.Instant
    typealias Waiting = CheckedContinuation<Result<Pooled, PostgresError>, Never>

    /// A connection of the pool, and when it is to be replaced.
    struct Pooled: Sendable {
        let connection: PostgresConnection
        let retiresAt: Instant
    }

    struct Waiter {
        let deadline: Instant
        let continuation: Waiting
    }

    let size: Int
    let maximumWaiters: Int

    private(set) var phase = Phase.new
    private(set) var open = 0
    private(set) var lastError: String?
    /// The last used one is at the end and is used first, so that the pool's caches stay warm.
    private(set) var idle: [Pooled] = []
    /// In the order of their arrival.
    private var waiters: Deque<Waiter> = []
    /// Attempts to open a connection, by number: when each is given up.
    private var attempts: [Int: Instant] = [:]
    /// Attempts that were given up and whose threads still hang, in a DNS look-up.
    private(set) var abandoned = 0
    private var attemptsMade = 0
    private var backOff: Duration?
    private var nextAttemptAt: Instant?
    /// Is told when the last connection was given back to a closed pool.
    private var drained: CheckedContinuation<Void, Never>?

    enum Phase { case new, running, closed }

    static let firstBackOff = Duration.milliseconds(50)
    static let longestBackOff = Duration.seconds(1)

    init(size: Int, maximumWaiters: Int) {
        self.size = size
        self.maximumWaiters = maximumWaiters
    }

    var waiting: Int { waiters.count }
    private var inUse: Int { open - idle.count }

    var status: PoolStatus {
        PoolStatus(open: open, idle: idle.count, waiting: waiting, lastError: lastError)
    }

    // MARK: Using connections

    mutating func takeIdle() -> Pooled? { idle.popLast() }

    /// Puts a waiter at the end of the line, or says what it gets without waiting.
    mutating func wait(_ waiter: Waiter) -> Result<Pooled, PostgresError>? {
        if phase == .closed { return .failure(.unavailable("the server is stopping")) }
        if let pooled = takeIdle() { return .success(pooled) }
        guard waiters.count < maximumWaiters else {
            return .failure(.unavailable("\(waiters.count) requests wait for a connection already"))
        }
        waiters.append(waiter)
        return nil
    }

    /// Someone who is to be given a connection that has become free.
    struct HandOver {
        var waiter: Waiter
        var pooled: Pooled
        func perform() { waiter.continuation.resume(returning: .success(pooled)) }
    }

    /// Takes back a connection after its use.
    mutating func giveBack(_ pooled: Pooled, isUsable: Bool, at now: Instant) -> HandOver? {
        guard isUsable, phase != .closed, pooled.retiresAt > now else {
            open -= 1
            return nil
        }
        return place(pooled)
    }

    private mutating func place(_ pooled: Pooled) -> HandOver? {
        guard waiters.isEmpty else {
            return HandOver(waiter: waiters.removeFirst(), pooled: pooled)
        }
        idle.append(pooled)
        return nil
    }

    /// Takes out the waiters whose time is up.
    mutating func expireWaiters(at now: Instant) -> [Waiter] {
        guard waiters.contains(where: { $0.deadline <= now }) else { return [] }
        let expired = Array(waiters.filter { $0.deadline <= now })
        waiters.removeAll { $0.deadline <= now }
        return expired
    }

    /// Takes out the idle connections that have lived long enough, to be closed.
    mutating func retireIdle(at now: Instant) -> [Pooled] {
        let retired = idle.filter { $0.retiresAt <= now }
        idle.removeAll { $0.retiresAt <= now }
        open -= retired.count
        return retired
    }

    // MARK: Opening connections

    /// The numbers of the attempts to begin now. After a failure there is one at a time.
    mutating func attemptsToBegin(at now: Instant, givingUpAfter limit: Duration) -> [Int] {
        guard phase == .running else { return [] }
        for (number, deadline) in attempts where deadline <= now {
            attempts[number] = nil
            abandoned += 1
            fail("no connection in time, perhaps in the look-up of a name", at: now)
        }
        if let nextAttemptAt, now < nextAttemptAt { return [] }
        let atOnce = backOff == nil ? size : 1
        let count =
            min(size - open, atOnce, size + Self.hangingAllowed - abandoned)
            - attempts.count
        guard count > 0 else { return [] }
        return (0..<count).map { _ in
            attemptsMade += 1
            attempts[attemptsMade] = now + limit
            return attemptsMade
        }
    }

    /// How many threads may hang beyond the pool's size.
    static let hangingAllowed = 8

    /// Notes an opened connection; false when it is too late and it is to be closed.
    mutating func opened(
        _ pooled: Pooled, attempt: Int
    ) -> (isKept: Bool, handOver: HandOver?) {
        if attempts.removeValue(forKey: attempt) == nil { abandoned -= 1 }
        guard phase == .running, open < size else { return (false, nil) }
        open += 1
        backOff = nil
        nextAttemptAt = nil
        lastError = nil
        return (true, place(pooled))
    }

    /// Notes a failed attempt; true when it says something new.
    mutating func failed(attempt: Int, _ reason: String, at now: Instant) -> Bool {
        guard attempts.removeValue(forKey: attempt) != nil else {
            abandoned -= 1
            return false
        }
        let isNew = lastError != reason
        fail(reason, at: now)
        return isNew
    }

    private mutating func fail(_ reason: String, at now: Instant) {
        lastError = reason
        // Attempts that failed together count once.
        if let nextAttemptAt, now < nextAttemptAt { return }
        let next = backOff.map { min($0 * 2, Self.longestBackOff) } ?? Self.firstBackOff
        backOff = next
        nextAttemptAt = now + next
    }

    // MARK: Beginning and end

    /// False when the pool has been started before.
    mutating func start() -> Bool {
        guard phase == .new else { return false }
        phase = .running
        return true
    }

    /// Ends the pool; returns who still waits, and what is to be closed.
    mutating func close() -> (waiters: [Waiter], idle: [Pooled]) {
        phase = .closed
        defer {
            open -= idle.count
            idle = []
            waiters = []
        }
        return (Array(waiters), idle)
    }

    /// Leaves a continuation for the moment at which no connection is in use; false when it is now.
    mutating func awaitDrained(_ continuation: CheckedContinuation<Void, Never>) -> Bool {
        guard inUse > 0 else { return false }
        drained = continuation
        return true
    }

    /// The continuation, when the moment has come.
    mutating func takeDrained() -> CheckedContinuation<Void, Never>? {
        guard phase == .closed, inUse == 0 else { return nil }
        defer { drained = nil }
        return drained
    }
}
