package import Logging
import OAuth
package import Postgres

/// The database, by verbs: each is one SQL statement that says who won, and no transaction crosses
/// this seam. Reads and revocations that arrive together are sent together.
package struct Store: Sendable {
    package let pool: PostgresPool
    /// What makes its answers certain.
    let authority: any Authority

    let clientReads: Batcher<String, ClientRead>
    let livenessReads: Batcher<LivenessKey, Liveness.State>
    let tokenRevocations: Batcher<TokenRevocation, UnixTime>
    let rotations: Batcher<Rotation, Result<RefreshTokenGrant.Verdict, PostgresError>>
    let grantRevocations: Batcher<GrantRevocation, UnixTime?>
    let failureCounts: Batcher<CountedFailure, OAuthError?>
    let pings: Batcher<Bool, UnixTime>
    let nodeReads: Batcher<Bool, Roll>

    package init(
        _ configuration: PostgresPool.Configuration, authority: any Authority = PrimaryGuard(),
        logger: Logger
    ) {
        let pool = PostgresPool(configuration, statements: Statements.pooled, logger: logger)
        self.pool = pool
        self.authority = authority
        clientReads = Batcher(label: "clients") {
            (ids, deadline) async throws(PostgresError) in
            try await Clients.read(ids, pool: pool, authority: authority, deadline: deadline)
        }
        livenessReads = Batcher(label: "liveness") {
            (keys, deadline) async throws(PostgresError) in
            try await Tokens.read(keys, pool: pool, authority: authority, deadline: deadline)
        }
        failureCounts = Batcher(label: "throttles") {
            (failures, deadline) async throws(PostgresError) in
            try await Throttles.count(failures, pool: pool, deadline: deadline)
        }
        pings = Batcher(label: "ping") { (asked, deadline) async throws(PostgresError) in
            let rows = try await pool.execute(Examination.ping, deadline: deadline)
            guard let first = rows.first else { throw .undecodable("ping: no row") }
            try await Store.check(first.primary, by: authority, until: deadline)
            return asked.map { _ in first.primary.time }
        }
        nodeReads = Batcher(label: "nodes") { (asked, deadline) async throws(PostgresError) in
            let roll = try await Nodes.roll(pool: pool, authority: authority, deadline: deadline)
            return asked.map { _ in roll }
        }
        rotations = Batcher(label: "rotate") {
            (rotations, deadline) async throws(PostgresError) in
            try await Grants.rotate(rotations, pool: pool, authority: authority, deadline: deadline)
        }
        grantRevocations = Batcher(label: "revoke_grant") {
            (revocations, deadline) async throws(PostgresError) in
            try await Grants.revoke(
                revocations, pool: pool, authority: authority, deadline: deadline)
        }
        tokenRevocations = Batcher(label: "revoke") {
            (revocations, deadline) async throws(PostgresError) in
            try await AccessTokens.revoke(
                revocations, pool: pool, authority: authority, deadline: deadline)
        }
    }

    /// Keeps the pool's connections until the task is cancelled.
    package func run() async throws {
        try await pool.run()
    }

    /// When a request that begins now must have its answer from the database.
    package static var deadline: ContinuousClock.Instant { .now + Limits.storeDeadline }

    /// Runs a statement whose rows begin with the server's identity, and checks it. It is repeated
    /// while its outcome is unknown: each of these statements may be.
    /// - Parameter onRepeat: called before each repeat, since what came before may have been done.
    func proven<Row: PostgresRow, each Input: PostgresValue>(
        _ statement: Statement<Proven<Row>, repeat each Input>, _ input: repeat each Input,
        deadline: ContinuousClock.Instant = Store.deadline, onRepeat: () -> Void = {}
    ) async throws(StoreError) -> [Proven<Row>] {
        do {
            let rows = try await Store.untilCertain(
                statement, repeat each input, pool: pool, authority: authority, deadline: deadline,
                onRepeat: onRepeat)
            guard !rows.isEmpty else {
                throw PostgresError.undecodable(
                    "\(statement.name): no row of the server's identity")
            }
            return rows
        } catch let error as PostgresError {
            throw StoreError(error)
        } catch {
            throw .broken("\(error)")
        }
    }

    /// A statement whose commit must be certain: an outcome that is unknown is tried again, since
    /// ending something twice ends it, until the deadline.
    static func untilCertain<Row: PostgresRow, each Input: PostgresValue>(
        _ statement: Statement<Proven<Row>, repeat each Input>, _ input: repeat each Input,
        pool: PostgresPool, authority: any Authority, deadline: ContinuousClock.Instant,
        onRepeat: () -> Void = {}
    ) async throws(PostgresError) -> [Proven<Row>] {
        var attempts = 0
        while true {
            attempts += 1
            do {
                let rows = try await pool.execute(
                    statement, repeat each input, deadline: deadline)
                if let first = rows.first {
                    try await Store.check(first.primary, by: authority, until: deadline)
                }
                return rows
            } catch .outcomeUnknown(let reason) {
                guard attempts < 3, .now < deadline else { throw .outcomeUnknown(reason) }
                onRepeat()
            }
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

    /// The authority's verdict as the error of a batch.
    static func check(
        _ primary: Primary, by authority: any Authority, until deadline: ContinuousClock.Instant
    ) async throws(PostgresError) {
        do {
            try await authority.prove(primary, by: deadline)
        } catch {
            throw .unavailable(error.description)
        }
    }
}

/// Who ended something, and why: stored with every end, and logged.
package struct Cause: Sendable, Hashable {
    package let reason: String
    package let actor: String

    package init(reason: String, actor: String) {
        self.reason = reason
        self.actor = actor
    }
}
