package import Logging
import Synchronization

/// A fixed number of connections, shared by all requests of a process.
///
/// Requests never open connections themselves: `run()` does, and a request waits in line until its
/// deadline. So nothing that hangs while connecting, such as a look-up of a name, holds up a
/// request for longer than it allows.
package final class PostgresPool: Sendable {
    package struct Configuration: Sendable {
        /// Any libpq URI; several hosts are tried in their order.
        package var url: String
        package var size: Int
        /// A connection is replaced after this time, give or take a tenth, so that they are not
        /// all replaced at the same time.
        package var maximumLifetime: Duration
        /// Requests beyond this number that wait for a connection are refused immediately.
        package var maximumWaiters: Int
        package var applicationName: String
        /// Refuses servers and roles with a `synchronous_commit` that loses acknowledged commits.
        package var requireSynchronousCommit: Bool
        /// Whether each connection prepares all statements first: not worth it for the few of a command,
        /// which the server would have to read them all for.
        package var prepares: Bool
        /// How long an attempt to connect may take, over all hosts.
        package var connectTimeout: Duration

        package init(
            url: String, size: Int, maximumLifetime: Duration = .seconds(1800),
            maximumWaiters: Int = 1024, applicationName: String,
            requireSynchronousCommit: Bool = true, prepares: Bool = true,
            connectTimeout: Duration = .seconds(3)
        ) {
            self.url = url
            self.size = max(size, 1)
            self.maximumLifetime = maximumLifetime
            self.maximumWaiters = maximumWaiters
            self.applicationName = applicationName
            self.requireSynchronousCommit = requireSynchronousCommit
            self.prepares = prepares
            self.connectTimeout = connectTimeout
        }
    }

    private let configuration: Configuration
    private let statements: [any PreparableStatement]
    private let logger: Logger
    private let metrics: PoolMetrics
    private let state: Mutex<PoolState>

    package init(
        _ configuration: Configuration, statements: [any PreparableStatement], logger: Logger
    ) {
        self.configuration = configuration
        self.statements = statements
        self.logger = logger
        metrics = PoolMetrics(statements: statements)
        state = Mutex(
            PoolState(
                size: configuration.size, maximumWaiters: configuration.maximumWaiters))
    }

    package var status: PoolStatus { state.withLock(\.status) }

    // MARK: Statements

    /// Runs a statement on a free connection and returns its rows.
    ///
    /// What was not sent, or was rolled back because of others, is tried again within the deadline.
    /// Cancellation is not heeded: others may depend on the statement (`Batcher`), and the deadline
    /// bounds it.
    package func execute<Row: PostgresRow, each Input: PostgresValue>(
        _ statement: Statement<Row, repeat each Input>, _ input: repeat each Input,
        deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [Row] {
        let parameters = Parameters(repeat each input)
        var triesLeft = configuration.size + 3
        while true {
            let error: PostgresError
            let retry: PostgresConnection.Retry
            do {
                let pooled = try await acquire(until: deadline)
                let start = ContinuousClock.now
                let execution = await pooled.connection.run(
                    statement, parameters, deadline: deadline)
                let end = ContinuousClock.now
                giveBack(pooled, isUsable: execution.isConnectionUsable, at: end)
                metrics.record(statement.name, took: end - start)
                switch execution.outcome {
                case .success(let rows): return rows
                case .failure(let failure): error = failure
                }
                retry = execution.retry
            } catch let failure {
                error = failure
                retry = .never
            }
            triesLeft -= 1
            guard retry != .never, triesLeft > 0, .now < deadline else {
                metrics.count(error)
                throw error.named(statement.name)
            }
            if retry == .afterAMoment {
                // The winner of a deadlock has to get its lock before the loser asks again.
                try? await Task.sleep(for: .milliseconds(Int.random(in: 5...30)))
            }
        }
    }

    private func acquire(
        until deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> PoolState.Pooled {
        if let pooled = state.withLock({ $0.takeIdle() }) { return pooled }
        return try await withCheckedContinuation { (continuation: PoolState.Waiting) in
            let waiter = PoolState.Waiter(deadline: deadline, continuation: continuation)
            if let answer = state.withLock({ $0.wait(waiter) }) {
                continuation.resume(returning: answer)
            }
        }.get()
    }

    private func giveBack(
        _ pooled: PoolState.Pooled, isUsable: Bool, at now: ContinuousClock.Instant
    ) {
        let (handOver, drained) = state.withLock { state in
            let handOver = state.giveBack(pooled, isUsable: isUsable, at: now)
            return (handOver, state.takeDrained())
        }
        handOver?.perform()
        drained?.resume()
    }

    // MARK: Keeping connections

    /// Opens connections, replaces those that were lost or are old, and tells waiters when their
    /// time is up, until the task is cancelled; then it closes them. Statements under way are
    /// waited for. It runs once.
    package func run() async throws {
        guard state.withLock({ $0.start() }) else {
            throw PostgresError.unavailable("the pool was started before")
        }
        let settings: ConnectionSettings
        do {
            settings = try ConnectionSettings(
                url: configuration.url, applicationName: configuration.applicationName)
        } catch {
            await close()
            throw error
        }
        while !Task.isCancelled {
            tick(settings)
            try? await Task.sleep(for: Self.tickLength, tolerance: .milliseconds(5))
        }
        await close()
    }

    private static let tickLength = Duration.milliseconds(20)

    private func tick(_ settings: ConnectionSettings) {
        let now = ContinuousClock.now
        // A stuck look-up outlasts the attempt's own deadline; then it is given up.
        let limit = configuration.connectTimeout + .seconds(1)
        let (expired, attempts) = state.withLock { state in
            // Retired connections close as they go, after the lock.
            (
                (state.expireWaiters(at: now), state.retireIdle(at: now)),
                state.attemptsToBegin(at: now, givingUpAfter: limit)
            )
        }
        let lastError = status.lastError
        let tooLate = PostgresError.unavailable(
            "no connection was free in time" + (lastError.map { ": \($0)" } ?? ""))
        for waiter in expired.0 { waiter.continuation.resume(returning: .failure(tooLate)) }
        for attempt in attempts {
            // A task of its own, not a child: a look-up of a name cannot be interrupted, and must
            // hold up neither the other attempts nor the end of `run()`. It ends when the look-up
            // does, the number of them is bounded (`PoolState.hangingAllowed`), and a connection
            // that comes too late is closed.
            Task.detached { await self.open(settings, attempt: attempt) }
        }
        metrics.record(status)
    }

    private func open(_ settings: ConnectionSettings, attempt: Int) async {
        do {
            let connection = try await PostgresConnection.open(
                settings, statements: configuration.prepares ? statements : [],
                demands: .init(
                    synchronousCommit: configuration.requireSynchronousCommit, primary: true),
                logger: logger, deadline: .now + configuration.connectTimeout)
            let lifetime = configuration.maximumLifetime * Double.random(in: 0.9...1.1)
            let pooled = PoolState.Pooled(
                connection: connection, retiresAt: .now + lifetime)
            let (_, handOver) = state.withLock { $0.opened(pooled, attempt: attempt) }
            handOver?.perform()
        } catch {
            let reason = error.description
            if state.withLock({ $0.failed(attempt: attempt, reason, at: .now) }) {
                logger.warning("no connection to PostgreSQL", metadata: ["error": "\(reason)"])
            }
        }
    }

    private func close() async {
        let (waiters, idle) = state.withLock { $0.close() }
        for waiter in waiters {
            waiter.continuation.resume(
                returning: .failure(.unavailable("the server is stopping")))
        }
        for pooled in idle { await pooled.connection.close() }
        await withCheckedContinuation { continuation in
            if !state.withLock({ $0.awaitDrained(continuation) }) { continuation.resume() }
        }
        metrics.record(status)
    }
}
