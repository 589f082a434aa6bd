import OAuth
package import Postgres

/// The database, by verbs: each is one SQL statement that says who won, and no transaction crosses
/// this seam. Reads and revocations that arrive together are sent together.
package struct Store: Sendable {
    let database: ProvenPool
    private let batches: Batches

    init(on database: ProvenPool) {
        self.database = database
        batches = Batches(on: database)
    }

    package var pool: PostgresPool { database.pool }

    /// Keeps the pool's connections until the task is cancelled.
    package func run() async throws {
        try await pool.run()
    }

    /// When a request that begins now must have its answer from the database.
    package static var deadline: ContinuousClock.Instant { .now + Limits.storeDeadline }

    /// Has a request done in the next batch of its kind.
    func batched<Request: BatchedRequest>(
        _ request: Request, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> Request.Outcome {
        try await StoreError.translating { () async throws(PostgresError) in
            try await batches.perform(request, by: deadline)
        }
    }

    /// Runs a statement whose rows begin with the server's identity, and checks it. It is repeated
    /// while its outcome is unknown: each of these statements may be.
    /// - Parameter onRepeat: called before each repeat, since what came before may have been done.
    func proven<Row: PostgresRow, each Input: PostgresValue>(
        _ statement: Statement<Proven<Row>, repeat each Input>, _ input: repeat each Input,
        deadline: ContinuousClock.Instant = Store.deadline, onRepeat: () -> Void = {}
    ) async throws(StoreError) -> [Proven<Row>] {
        try await StoreError.translating { () async throws(PostgresError) in
            let rows = try await database.committedRows(
                statement, repeat each input, by: deadline, onRepeat: onRepeat)
            guard !rows.isEmpty else {
                throw .undecodable("\(statement.name): no row of the server's identity")
            }
            return rows
        }
    }

    /// Runs a statement that nothing has to prove.
    @discardableResult
    func execute<Row: PostgresRow, each Input: PostgresValue>(
        _ statement: Statement<Row, repeat each Input>, _ input: repeat each Input,
        deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> [Row] {
        try await StoreError.translating { () async throws(PostgresError) in
            try await pool.execute(statement, repeat each input, deadline: deadline)
        }
    }

    /// Joins the one row that a condition names by its key, or nulls.
    ///
    /// `OFFSET 0` keeps the planner from reading the table as a whole and joining then, which a plan that
    /// was made while it was small would go on doing (docs/decisions/0017-plans-by-key.md).
    static func lookUp(_ table: String, as name: String, where condition: String) -> String {
        "LEFT JOIN LATERAL (SELECT * FROM \(table) WHERE \(condition) OFFSET 0) AS \(name) ON true"
    }

    /// The rows of parameters that are arrays, from $1 on, by the types of their elements.
    ///
    /// By a subquery, since a plan that knows their length would be made anew for each batch
    /// (docs/decisions/0017-plans-by-key.md).
    static func unnest(_ types: String...) -> String {
        let arrays = types.enumerated().map { "(SELECT $\($0.offset + 1)::\($0.element)[])" }
        return "unnest(\(arrays.joined(separator: ", ")))"
    }

    /// A write without a row (in the write-ahead log alone), for a statement whose answer has to rest
    /// on a commit, whatever it finds: a standby that has this commit has all before it.
    static let written = "SELECT pg_logical_emit_message(true, 'doornail', '') AS at"
}
