package import OAuth
import Postgres

/// One failure to be counted; each is a request of its own, however many are alike.
struct CountedFailure: Hashable, Sendable {
    let throttle: Throttle
    let id: UInt64
}

/// Counted failures, in the database, where neither a restart nor another node forgets them.
enum Throttles {
    /// How many failures there are in a window, and how long it lasts.
    struct Count: Sendable {
        let failures: Int
        let secondsLeft: Int64
    }

    struct CountRow: PostgresRow {
        let key: [UInt8]
        let failures: Int64
        let secondsLeft: Int64

        init(_ cells: inout Cells) throws(PostgresError) {
            key = try cells.next()
            failures = try cells.next()
            secondsLeft = try cells.next()
        }
    }

    /// Adds failures to their counters, in a new window where the last one is over. One that is
    /// past its limit is only read: a flood of guesses takes no lock and writes nothing.
    static let count = Statement<CountRow, [[UInt8]], [Int64], [Int64], [Int64]>(
        "throttles_count",
        """
        WITH asked AS (
            SELECT * FROM \(Store.unnest("bytea", "bigint", "bigint", "bigint"))
                AS a (key, added, most, seconds)),
        full_counters AS MATERIALIZED (
            SELECT t.key, t.failures, t.window_ends_at
            FROM asked \(Store.lookUp("throttles", as: "t", where: "key = asked.key"))
            WHERE t.window_ends_at > clock_timestamp() AND t.failures > asked.most),
        counted AS (
            INSERT INTO throttles AS t (key, failures, window_ends_at)
            SELECT key, added, clock_timestamp() + make_interval(secs => seconds)
            FROM asked WHERE NOT EXISTS (SELECT FROM full_counters AS f WHERE f.key = asked.key)
            ORDER BY key
            ON CONFLICT (key) DO UPDATE SET
                failures = CASE WHEN t.window_ends_at <= clock_timestamp() THEN excluded.failures
                                ELSE t.failures + excluded.failures END,
                window_ends_at = CASE WHEN t.window_ends_at <= clock_timestamp()
                                      THEN excluded.window_ends_at ELSE t.window_ends_at END
            RETURNING key, failures, window_ends_at)
        SELECT key, failures::bigint,
               ceil(extract(epoch FROM window_ends_at - clock_timestamp()))::bigint
        FROM (SELECT * FROM counted UNION ALL SELECT * FROM full_counters) AS c
        """)

    /// Takes one failure back from each counter whose window is still open.
    static let takeBack = Statement<NoRow, [[UInt8]]>(
        "throttles_take_back",
        """
        WITH locked AS MATERIALIZED (
            SELECT key FROM throttles
            WHERE key = ANY($1::bytea[]) AND failures > 0 AND window_ends_at > clock_timestamp()
            ORDER BY key FOR UPDATE)
        UPDATE throttles SET failures = failures - 1 FROM locked WHERE throttles.key = locked.key
        """)

    /// Counts a batch. It never holds more than one connection, so that whoever guesses cannot
    /// keep others from the pool.
    static func count(
        _ failures: [CountedFailure], pool: PostgresPool, deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [Count] {
        var added: [Throttle: Int64] = [:]
        for failure in failures { added[failure.throttle, default: 0] += 1 }
        let asked = Array(added)
        let rows = try await pool.execute(
            count, asked.map(\.key.key), asked.map(\.value),
            asked.map { Int64($0.key.failures) }, asked.map(\.key.windowSeconds),
            deadline: deadline)
        var counts: [[UInt8]: Count] = [:]
        for row in rows {
            counts[row.key] = Count(
                failures: Int(row.failures), secondsLeft: row.secondsLeft)
        }
        // Those of one batch share its end; the limit is passed by at most one batch.
        return failures.map { counts[$0.throttle.key] ?? Count(failures: 0, secondsLeft: 0) }
    }
}

extension Store {
    /// Counts a failure; the refusal once there are too many.
    package func countFailure(
        _ throttle: Throttle, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> OAuthError? {
        do {
            let counted = try await failureCounts.perform(
                CountedFailure(throttle: throttle, id: UInt64.random(in: .min ... .max)),
                deadline: deadline)
            return throttle.refusal(count: counted.failures, secondsLeft: counted.secondsLeft)
        } catch {
            throw StoreError(error)
        }
    }

    /// Takes failures back that were counted for an attempt which was right.
    package func takeBack(
        _ throttles: [Throttle], by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) {
        do {
            _ = try await pool.execute(
                Throttles.takeBack, throttles.map(\.key), deadline: deadline)
        } catch {
            throw StoreError(error)
        }
    }
}
