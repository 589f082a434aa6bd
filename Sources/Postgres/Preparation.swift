/// What is asked of every connection first.
private struct ServerState: PostgresRow {
    let synchronousCommit: String
    let isRecovering: Bool

    init(_ cells: inout Cells) throws(PostgresError) {
        synchronousCommit = try cells.next()
        isRecovering = try cells.next()
        for _ in 0..<3 { let _: String? = try cells.next() }
        if Trap.asyncCommit.isPlanted { let _: String? = try cells.next() }
    }

    /// It also has the server end, after a while, a statement whose connection was abandoned: one
    /// that waits for a lock would go on waiting, and more and more of them would use up the
    /// server's connections. (PostgreSQL 14 and later know the setting.)
    ///
    /// And it keeps plans to keys: a plan that was made while a table had a few rows is kept while it
    /// grows, so one that reads the whole table takes longer with each row
    /// (docs/decisions/0017-plans-by-key.md). Where nothing but a scan will do, its price would have
    /// the statement compiled anew each time: so never.
    static let statement = Statement<ServerState>(
        "connection_state",
        """
        SELECT current_setting('synchronous_commit'), pg_catalog.pg_is_in_recovery(),
               CASE WHEN current_setting('client_connection_check_interval', true) = '0'
                    THEN set_config('client_connection_check_interval', '5s', false) END,
               set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false)
        """
            + (Trap.asyncCommit.isPlanted
                ? ", set_config('synchronous_commit', 'off', false)" : ""))

    func meets(_ demands: PostgresConnection.Demands) throws(PostgresError) {
        if demands.primary, isRecovering {
            throw .unavailable("the server is a standby in recovery")
        }
        if demands.synchronousCommit, !["on", "remote_apply"].contains(synchronousCommit) {
            throw .unavailable(
                "synchronous_commit is \(synchronousCommit), which loses acknowledged commits; "
                    + "set it to on for the role or the server")
        }
    }
}

extension Link {
    /// Examines the server and prepares the statements, in one round trip.
    func prepare(
        _ statements: [any PreparableStatement], demands: PostgresConnection.Demands,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) {
        var isQueued =
            beginPipeline() && send(ServerState.statement.sql, types: [], Parameters())
        for statement in statements {
            isQueued =
                isQueued
                && send(preparing: statement.name, statement.sql, types: statement.parameterTypes)
        }
        guard isQueued, syncPipeline() else { throw .unavailable(errorMessage) }

        // Each statement's results end with a nil; the sync has one result and no nil.
        var names = [ServerState.statement.name] + statements.map(\.name)
        names.reverse()
        while true {
            let answer: QueryResult?
            do {
                answer = try next(until: deadline)
            } catch {
                throw .unavailable("while statements were prepared: \(error.description)")
            }
            guard let answer else {
                guard names.popLast() != nil else { throw .unavailable(errorMessage) }
                continue
            }
            switch answer.kind {
            case .rows:
                for state in try answer.decode(as: ServerState.self) { try state.meets(demands) }
            case .command: break
            case .refusal(let message):
                throw PostgresError(message).named(names.last ?? "connection")
            case .pipelineEnd:
                guard endPipeline() else { throw .unavailable(errorMessage) }
                return
            case .pipelineAborted, .unexpected:
                throw .unavailable("unexpected answer to the preparation of statements")
            }
        }
    }
}
