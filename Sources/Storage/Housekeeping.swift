import OAuth
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
    /// How long the revocation log is kept. A node that is further behind starts anew.
    static let logSeconds: Int64 = 24 * 3600

    private static func removal(
        _ name: String, from table: String, key: String, where condition: String
    ) -> Statement<RemovedRow, Int64, Int64> {
        Statement(
            name,
            """
            WITH doomed AS (
                SELECT \(key) FROM \(table) WHERE \(condition)
                LIMIT $1 FOR UPDATE SKIP LOCKED),
            removed AS (
                DELETE FROM \(table) AS t USING doomed WHERE t.\(key) = doomed.\(key)
                RETURNING 1)
            SELECT count(*) FROM removed
            """)
    }

    static let revokedTokens = removal(
        "housekeeping_revoked_tokens", from: "revoked_tokens", key: "id",
        where: "expires_at < clock_timestamp() - make_interval(secs => $2::bigint)")
    static let revocations = removal(
        "housekeeping_revocations", from: "revocations", key: "number",
        where: "at < clock_timestamp() - make_interval(secs => $2::bigint)")
    static let throttles = removal(
        "housekeeping_throttles", from: "throttles", key: "key",
        where: "window_ends_at < clock_timestamp() - make_interval(secs => $2::bigint)")
}

extension Store {
    /// Removes what is over; returns how many rows went, by table.
    package func tidy() async throws(StoreError) -> [(table: String, rows: Int64)] {
        var removed: [(table: String, rows: Int64)] = []
        // A second past the hour, so that the guard's own clock reading agrees.
        removed.append(
            (
                "revoked_tokens",
                try await remove(
                    Housekeeping.revokedTokens, olderThan: Limits.expiryGraceSeconds + 1)
            ))
        removed.append(
            (
                "revocations",
                try await remove(Housekeeping.revocations, olderThan: Housekeeping.logSeconds)
            ))
        removed.append(("throttles", try await remove(Housekeeping.throttles, olderThan: 0)))
        return removed
    }

    private func remove(
        _ statement: Statement<Housekeeping.RemovedRow, Int64, Int64>, olderThan seconds: Int64
    ) async throws(StoreError) -> Int64 {
        var total: Int64 = 0
        while !Task.isCancelled {
            let removed: Int64
            do {
                removed =
                    try await pool.execute(
                        statement, Housekeeping.batch, seconds, deadline: Store.deadline
                    ).first?.removed ?? 0
            } catch {
                throw StoreError(error)
            }
            total += removed
            if removed < Housekeeping.batch { break }
        }
        return total
    }
}
