package import Logging

/// One connection to PostgreSQL: an actor on a thread of its own.
///
/// Its methods pay no heed to cancellation: what was sent is waited for, until its deadline. After
/// an error that leaves the connection in doubt it is closed, and every further call fails.
package actor PostgresConnection {
    private let thread: ConnectionThread
    private var link: Link?
    private var prepared: Set<String> = []

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe thread.asUnownedSerialExecutor()
    }

    private init() throws(PostgresError) {
        thread = try ConnectionThread()
    }

    deinit {
        thread.stop()
    }

    /// What a connection must be, to be used.
    package struct Demands: Sendable {
        /// `synchronous_commit` is `on` or `remote_apply`: anything less loses acknowledged commits
        /// at a failover. It is looked up on each connection, since a role's setting overrides the
        /// server's.
        package var synchronousCommit: Bool
        /// The server is not in recovery.
        package var primary: Bool

        package init(synchronousCommit: Bool, primary: Bool) {
            self.synchronousCommit = synchronousCommit
            self.primary = primary
        }

        package static let none = Demands(synchronousCommit: false, primary: false)
    }

    /// Connects to the first of the URL's hosts that meets the demands, and prepares the statements
    /// there. A statement that the database refuses is an error that names it.
    package static func open(
        url: String, applicationName: String, statements: [any PreparableStatement] = [],
        demands: Demands = .none, logger: Logger? = nil, deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> PostgresConnection {
        try await open(
            ConnectionSettings(url: url, applicationName: applicationName),
            statements: statements, demands: demands, logger: logger, deadline: deadline)
    }

    static func open(
        _ settings: ConnectionSettings, statements: [any PreparableStatement], demands: Demands,
        logger: Logger?, deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> PostgresConnection {
        let connection = try PostgresConnection()
        try await connection.connect(
            settings, statements: statements, demands: demands, logger: logger, deadline: deadline)
        return connection
    }

    private func connect(
        _ settings: ConnectionSettings, statements: [any PreparableStatement], demands: Demands,
        logger: Logger?, deadline: ContinuousClock.Instant
    ) throws(PostgresError) {
        var failures: [String] = []
        for (index, endpoint) in settings.endpoints.enumerated() {
            // Each host has an equal share of what is left, so that one that is silent does not
            // hide the next.
            let share = (deadline - .now) / (settings.endpoints.count - index)
            do {
                let link = try Link.open(
                    to: endpoint, of: settings, logger: logger, deadline: .now + share)
                try link.prepare(statements, demands: demands, deadline: deadline)
                self.link = consume link
                prepared = Set(statements.map(\.name))
                return
            } catch .unavailable(let reason) {
                failures.append(reason)
            } catch .outcomeUnknown(let reason) {
                failures.append(reason)
            }
        }
        throw .unavailable(failures.joined(separator: "; "))
    }

    package var isOpen: Bool { link != nil }

    /// Closes the connection; a statement under way was waited for before.
    package func close() {
        link = nil
    }

    // MARK: Statements

    /// Whether a statement that failed can be tried again safely, since nothing happened.
    enum Retry: Sendable {
        case never
        /// Another connection does better.
        case atOnce
        /// Others were in the way, and need a moment to go on.
        case afterAMoment
    }

    /// What came of a statement, and what may be done next.
    struct Execution<Row: PostgresRow>: Sendable {
        var outcome: Result<[Row], PostgresError>
        var retry = Retry.never
        var isConnectionUsable = true
    }

    package func execute<Row: PostgresRow, each Input: PostgresValue>(
        _ statement: Statement<Row, repeat each Input>, _ input: repeat each Input,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> [Row] {
        try run(statement, Parameters(repeat each input), deadline: deadline).outcome.get()
    }

    func run<Row: PostgresRow, each Input: PostgresValue>(
        _ statement: Statement<Row, repeat each Input>, _ parameters: Parameters,
        deadline: ContinuousClock.Instant
    ) -> Execution<Row> {
        let isPrepared = prepared.contains(statement.name)
        let (failure, answer) = converse(until: deadline) { link in
            isPrepared
                ? link.send(prepared: statement.name, parameters)
                : link.send(statement.sql, types: statement.parameterTypes, parameters)
        }
        if let failure {
            return Execution(
                outcome: .failure(failure.error), retry: failure.retry,
                isConnectionUsable: link != nil)
        }
        do {
            return Execution(outcome: .success(try answer?.decode(as: Row.self) ?? []))
        } catch {
            return Execution(outcome: .failure(error.named(statement.name)))
        }
    }

    /// Runs a script of several statements by the simple protocol: one transaction, unless the
    /// script or the connection has opened one. Rows are ignored.
    package func script(
        _ sql: String, deadline: ContinuousClock.Instant
    ) throws(PostgresError) {
        let (failure, _) = converse(until: deadline) { $0.send(script: sql) }
        if let failure { throw failure.error }
    }

    /// Waits until something was said on a channel that this connection listens on; false where
    /// nothing was by the deadline. What was said before is not waited for.
    package func isNotified(by deadline: ContinuousClock.Instant) throws(PostgresError) -> Bool {
        guard let link = link.take() else { throw .unavailable("the connection is closed") }
        do {
            var isNotified = try link.notification(until: deadline) != nil
            // The rest says no more than the first: that there is something to look at.
            while isNotified, try link.notification(until: .now) != nil { isNotified = true }
            self.link = consume link
            return isNotified
        } catch {
            throw .unavailable(error.description)
        }
    }

    /// Whether a transaction is open and has not failed.
    package var isInTransaction: Bool { link?.isInWorkingTransaction ?? false }

    /// What the database takes the parameters and columns of a prepared statement for.
    package func describe(
        _ name: String, deadline: ContinuousClock.Instant = .now + .seconds(10)
    ) throws(PostgresError) -> (parameters: [UInt32], columns: [UInt32]) {
        let (failure, answer) = converse(until: deadline) { $0.send(describing: name) }
        if let failure { throw failure.error }
        guard let answer else { throw .undecodable("nothing describes \(name)") }
        return (answer.parameterTypes, answer.columnTypes)
    }

    private struct Failure {
        var error: PostgresError
        var retry = Retry.never
    }

    /// Sends, and waits for the whole answer.
    ///
    /// The answer ends with ReadyForQuery, which follows the commit. The rows come before: a
    /// commit that fails (a deferred constraint, a lost connection) is an error *after* them.
    private func converse(
        until deadline: ContinuousClock.Instant, _ send: (borrowing Link) -> Bool
    ) -> (failure: Failure?, answer: QueryResult?) {
        guard let link = link.take() else {
            let error = PostgresError.unavailable("the connection is closed")
            return (Failure(error: error, retry: .atOnce), nil)
        }
        guard deadline > .now else {
            self.link = consume link
            return (Failure(error: .unavailable("no time was left to ask")), nil)
        }
        guard link.isAlive() else {
            let reason = link.notices.farewell?.message ?? link.errorMessage
            return (
                Failure(error: .unavailable("not sent: \(reason)"), retry: .atOnce), nil
            )
        }
        link.notices.reset()
        guard send(link) else {
            return (Failure(error: .outcomeUnknown("while sending: \(link.errorMessage)")), nil)
        }

        var answer: QueryResult?
        var refusal: ServerMessage?
        do {
            while let next = try link.next(until: deadline) {
                switch next.kind {
                case .rows, .command: answer = next
                case .refusal(let message): refusal = refusal ?? message
                case .pipelineEnd, .pipelineAborted: break
                case .unexpected(let status):
                    return (Failure(error: .outcomeUnknown("a result of kind \(status)")), nil)
                }
            }
        } catch {
            return (Failure(error: .outcomeUnknown(error.description)), nil)
        }

        if let refusal {
            let isStale = SQLState.isStale(refusal.sqlState)
            if !refusal.isFatal, !isStale || link.isInTransaction { self.link = consume link }
            var failure = Failure(error: PostgresError(refusal))
            if !refusal.isFatal {
                if isStale { failure.retry = .atOnce }
                if SQLState.isRollbackToRepeat(refusal.sqlState) { failure.retry = .afterAMoment }
            }
            return (failure, nil)
        }
        // A warning in an open transaction is about no commit.
        if let doubt = link.notices.doubt, !link.isInTransaction {
            let error = PostgresError.outcomeUnknown("\(doubt.message) (\(doubt.sqlState))")
            self.link = consume link
            return (Failure(error: error), nil)
        }
        self.link = consume link
        return (nil, answer)
    }
}

extension PostgresError {
    /// The error with the name of the statement that it is about.
    func named(_ name: String) -> PostgresError {
        switch self {
        case .unavailable(let reason): .unavailable("\(name): \(reason)")
        case .outcomeUnknown(let reason): .outcomeUnknown("\(name): \(reason)")
        case .refused(let sqlState, let message, let constraint):
            .refused(
                sqlState: sqlState, message: "\(name): \(message)", constraint: constraint)
        case .undecodable(let reason): .undecodable("\(name): \(reason)")
        }
    }
}
