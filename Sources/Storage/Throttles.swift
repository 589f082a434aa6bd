package import OAuth
import Postgres

/// Counted failures, in the database, where neither a restart nor another node forgets them.
enum Throttles {
    struct CountRow: PostgresRow {
        let failures: Int32
        let secondsLeft: Int64

        init(_ cells: inout Cells) throws(PostgresError) {
            failures = try cells.next()
            secondsLeft = try cells.next()
        }
    }

    /// Counts one failure more, in a new window where the last one is over. Past the limit nothing
    /// is counted any more, so a flood of guesses costs a read each.
    static let count = Statement<CountRow, [UInt8], Int32, Int64>(
        "throttles_count",
        """
        WITH counted AS (
            INSERT INTO throttles AS t (key, failures, window_ends_at)
            VALUES ($1, 1, clock_timestamp() + make_interval(secs => $3::bigint))
            ON CONFLICT (key) DO UPDATE SET
                failures = CASE WHEN t.window_ends_at <= clock_timestamp() THEN 1
                                ELSE t.failures + 1 END,
                window_ends_at = CASE WHEN t.window_ends_at <= clock_timestamp()
                                      THEN excluded.window_ends_at ELSE t.window_ends_at END
            WHERE t.window_ends_at <= clock_timestamp() OR t.failures <= $2
            RETURNING failures, window_ends_at)
        SELECT failures, ceil(extract(epoch FROM window_ends_at - clock_timestamp()))::bigint
        FROM counted
        UNION ALL
        SELECT failures + 1, ceil(extract(epoch FROM window_ends_at - clock_timestamp()))::bigint
        FROM throttles
        WHERE key = $1 AND NOT EXISTS (SELECT FROM counted)
        """)
}

extension Store {
    /// Counts a failure; the refusal once there are too many.
    package func countFailure(_ throttle: Throttle) async throws(StoreError) -> OAuthError? {
        do {
            let rows = try await pool.execute(
                Throttles.count, throttle.key, Int32(throttle.failures), throttle.windowSeconds,
                deadline: Store.deadline)
            guard let row = rows.first else { return nil }
            return throttle.refusal(count: Int(row.failures), secondsLeft: row.secondsLeft)
        } catch {
            throw StoreError(error)
        }
    }
}
