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
    static let logSeconds: Int64 = 24 * 3600 + 60

    /// The moment is found by a subquery: compared with a function whose value may change from row to row,
    /// no index would serve.
    private static func removal(
        _ name: String, from table: String, key: String, where time: String
    ) -> Statement<RemovedRow, Int64, Int64> {
        Statement(
            name,
            """
            WITH doomed AS (
                SELECT \(key) FROM \(table)
                WHERE \(time) < (SELECT clock_timestamp() - make_interval(secs => $2::bigint))
                LIMIT $1 FOR UPDATE SKIP LOCKED),
            removed AS (
                DELETE FROM \(table) AS t USING doomed WHERE t.\(key) = doomed.\(key)
                RETURNING 1)
            SELECT count(*) FROM removed
            """)
    }

    static let revokedTokens = removal(
        "housekeeping_revoked_tokens", from: "revoked_tokens", key: "id",
        where: "expires_at")
    /// The log loses its oldest rows in order, so that it never has a hole: whoever reads it from a
    /// number on finds all that follow, or learns that it begins later.
    static let revocations = Statement<RemovedRow, Int64, Int64>(
        "housekeeping_revocations",
        """
        WITH doomed AS (
            SELECT number FROM revocations
            WHERE number < (SELECT coalesce(min(number), 9223372036854775807) FROM revocations
                            WHERE at >= clock_timestamp() - make_interval(secs => $2::bigint))
            ORDER BY number LIMIT $1 FOR UPDATE),
        removed AS (
            DELETE FROM revocations AS t USING doomed WHERE t.number = doomed.number
            RETURNING 1)
        SELECT count(*) FROM removed
        """)
    static let codes = removal(
        "housekeeping_codes", from: "authorization_codes", key: "id",
        where: "expires_at")
    static let sessions = removal(
        "housekeeping_sessions", from: "sessions", key: "id",
        where: "expires_at")
    static let endedSessions = removal(
        "housekeeping_ended_sessions", from: "sessions", key: "id",
        where: "revoked_at")
    static let grants = removal(
        "housekeeping_grants", from: "grants", key: "id",
        where: "expires_at")
    static let endedGrants = removal(
        "housekeeping_ended_grants", from: "grants", key: "id",
        where: "revoked_at")
    /// How long a login or grant that was ended is remembered, for those who ask what happened.
    static let endedSeconds: Int64 = 24 * 3600
    static let throttles = removal(
        "housekeeping_throttles", from: "throttles", key: "key",
        where: "window_ends_at")
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
        // A code's row says for ten minutes after its redemption that it was used.
        let codes = Limits.codeReplaySeconds + Limits.codeSeconds
        removed.append(
            ("authorization_codes", try await remove(Housekeeping.codes, olderThan: codes)))
        let expired = Limits.expiryGraceSeconds + 1
        removed.append(
            (
                "sessions",
                try await remove(Housekeeping.sessions, olderThan: expired)
                    + remove(Housekeeping.endedSessions, olderThan: Housekeeping.endedSeconds)
            ))
        removed.append(
            (
                "grants",
                try await remove(Housekeeping.grants, olderThan: expired)
                    + remove(Housekeeping.endedGrants, olderThan: Housekeeping.endedSeconds)
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
