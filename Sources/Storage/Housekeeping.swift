package import OAuth
import Postgres

/// Rows that are over go by themselves, in small batches that any node may remove.
///
/// No answer depends on it: expiry is judged by the time, and an expired row means nothing.
enum Housekeeping {
    struct RemovedRow: PostgresRow {
        let removed: Int64

        init(_ cells: inout Cells) throws(PostgresError) {
            removed = try cells.next()
        }
    }

    static let batch: Int64 = 1000

    /// The moment is found by a subquery: compared with a function whose value may change from row to row,
    /// no index would serve.
    private static func removal(
        _ name: String, from table: String, key: String = "id", where condition: String
    ) -> Statement<RemovedRow, Int64> {
        Statement(
            name,
            """
            WITH doomed AS (
                SELECT \(key) FROM \(table) WHERE \(condition) LIMIT $1 FOR UPDATE SKIP LOCKED),
            removed AS (
                DELETE FROM \(table) AS t USING doomed WHERE t.\(key) = doomed.\(key)
                RETURNING 1)
            SELECT count(*) FROM removed
            """)
    }

    private static let horizon = "(SELECT at FROM purge_horizon WHERE id)"

    static let revokedTokens = removal(
        "housekeeping_revoked_tokens", from: "revoked_tokens",
        where: "expires_at < \(horizon) AND revoked_at < \(horizon)")
    /// The log loses its oldest rows in order, so that it never has a hole: whoever reads it from a
    /// number on finds all that follow, or learns that it begins later. A node that is further behind
    /// starts anew.
    static let revocations = Statement<RemovedRow, Int64>(
        "housekeeping_revocations",
        """
        WITH doomed AS (
            SELECT number FROM revocations
            WHERE number < (SELECT coalesce(min(number), 9223372036854775807) FROM revocations
                            WHERE at >= \(horizon))
            ORDER BY number LIMIT $1 FOR UPDATE),
        removed AS (
            DELETE FROM revocations AS t USING doomed WHERE t.number = doomed.number
            RETURNING 1)
        SELECT count(*) FROM removed
        """)
    /// A code's row says for ten minutes after its redemption that it was used; it stays for longer.
    static let codes = removal(
        "housekeeping_codes", from: "authorization_codes", where: "expires_at < \(horizon)")
    static let sessions = removal(
        "housekeeping_sessions", from: "sessions", where: "expires_at < \(horizon)")
    /// A login or grant that was ended is remembered for those who ask what happened.
    static let endedSessions = removal(
        "housekeeping_ended_sessions", from: "sessions", where: "revoked_at < \(horizon)")
    static let grants = removal(
        "housekeeping_grants", from: "grants", where: "expires_at < \(horizon)")
    static let endedGrants = removal(
        "housekeeping_ended_grants", from: "grants", where: "revoked_at < \(horizon)")
    /// As `first_new_id()` in the migrations has it: what is older is refused by its id.
    static let deletedIDs = removal(
        "housekeeping_deleted_ids", from: "deleted_ids",
        where: """
            epoch IS NULL AND id < (
                SELECT (lpad(to_hex((floor(extract(epoch FROM at)) * 1000)::bigint - 300000), 12, '0')
                        || '00000000000000000000')::uuid
                FROM purge_horizon WHERE id)
            """)
    /// Windows go by the clock alone: a new one forgets no more than one that is over.
    static let throttles = removal(
        "housekeeping_throttles", from: "throttles", key: "key",
        where: "window_ends_at < (SELECT clock_timestamp())")

    /// By the table that they are about.
    static let all: [(table: String, statement: Statement<RemovedRow, Int64>)] = [
        ("revoked_tokens", revokedTokens), ("revocations", revocations),
        ("authorization_codes", codes), ("sessions", sessions), ("sessions", endedSessions),
        ("grants", grants), ("grants", endedGrants), ("deleted_ids", deletedIDs),
        ("throttles", throttles),
    ]
}

extension Store {
    /// Carries the purge horizon forward, and removes what is over; returns how many rows went, by table.
    package func tidy(
        _ horizon: inout PurgeHorizon
    ) async throws(StoreError) -> [(table: String, rows: Int64)] {
        try await advance(&horizon)
        var removed: [(table: String, rows: Int64)] = []
        for (table, statement) in Housekeeping.all {
            let rows = try await remove(statement)
            if removed.last?.table == table {
                removed[removed.count - 1].rows += rows
            } else {
                removed.append((table, rows))
            }
        }
        return removed
    }

    private func remove(
        _ statement: Statement<Housekeeping.RemovedRow, Int64>
    ) async throws(StoreError) -> Int64 {
        var total: Int64 = 0
        while !Task.isCancelled {
            let removed = try await execute(statement, Housekeeping.batch).first?.removed ?? 0
            total += removed
            if removed < Housekeeping.batch { break }
        }
        return total
    }
}
