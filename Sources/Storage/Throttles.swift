package import OAuth
import Postgres

/// One attempt that is counted as a failure, with all that it counts against; each is a request of its
/// own, however many are alike.
struct CountedFailure: Hashable, Sendable {
    let throttles: [Throttle]
    let id: UInt64
}

/// Counted failures, in the database, where neither a restart nor another node forgets them.
enum Throttles {
    struct CountRow: PostgresRow {
        let key: [UInt8]
        /// Nil where it was full, and counts nothing.
        let failures: Int64?
        let secondsLeft: Int64

        init(_ cells: inout Cells) throws(PostgresError) {
            key = try cells.next()
            failures = try cells.next()
            secondsLeft = try cells.next()
        }
    }

    /// How much longer than a window one may last, in seconds, before it must be of a clock that was ahead.
    private static let clockSeconds = 60
    /// A window that is over, or that ends later than any that began by this clock.
    private static let isOver =
        "t.window_ends_at <= clock_timestamp() "
        + "OR t.window_ends_at > excluded.window_ends_at + interval '\(clockSeconds) s'"

    /// Adds attempts (`$2`, by number) to their counters, in a new window where the last one is over.
    /// One of whose counters any is full counts nowhere: a flood of guesses takes no lock and writes
    /// nothing.
    static let count = Statement<CountRow, [[UInt8]], [Int64], [Int64], [Int64]>(
        "throttles_count",
        """
        WITH asked AS (
            SELECT * FROM \(Store.unnest("bytea", "bigint", "bigint", "bigint"))
                AS a (key, attempt, most, seconds)),
        full_counters AS MATERIALIZED (
            SELECT asked.attempt, t.key, t.window_ends_at
            FROM asked \(Store.lookUp("throttles", as: "t", where: "key = asked.key"))
            WHERE t.window_ends_at > clock_timestamp() AND t.failures >= asked.most
              AND t.window_ends_at
                  <= clock_timestamp() + make_interval(secs => asked.seconds + \(clockSeconds))),
        counted AS (
            INSERT INTO throttles AS t (key, failures, window_ends_at)
            SELECT key, count(*), clock_timestamp() + make_interval(secs => max(seconds))
            FROM asked
            WHERE NOT EXISTS (SELECT FROM full_counters AS f WHERE f.attempt = asked.attempt)
            GROUP BY key ORDER BY key
            ON CONFLICT (key) DO UPDATE SET
                failures = CASE WHEN \(isOver) THEN excluded.failures
                                ELSE t.failures + excluded.failures END,
                window_ends_at = CASE WHEN \(isOver) THEN excluded.window_ends_at
                                      ELSE t.window_ends_at END
            RETURNING key, failures, window_ends_at)
        SELECT key, failures, ceil(extract(epoch FROM window_ends_at - clock_timestamp()))::bigint
        FROM (SELECT key, failures::bigint, window_ends_at FROM counted
              UNION ALL
              SELECT DISTINCT key, NULL::bigint, window_ends_at FROM full_counters) AS c
        """)

    /// Takes failures back, as often as a key is named, from each counter whose window is still open.
    static let takeBack = Statement<NoRow, [[UInt8]]>(
        "throttles_take_back",
        """
        WITH owed AS (
            SELECT key, count(*) AS failures FROM \(Store.unnest("bytea")) AS o (key)
            GROUP BY key ORDER BY key),
        locked AS MATERIALIZED (
            SELECT t.key, owed.failures FROM owed CROSS JOIN LATERAL (
                SELECT key FROM throttles
                WHERE key = owed.key AND window_ends_at > clock_timestamp() FOR UPDATE) AS t)
        UPDATE throttles SET failures = greatest(throttles.failures - locked.failures, 0)
        FROM locked WHERE throttles.key = ANY (ARRAY[locked.key])
        """)

    /// Counts a batch, and says of each attempt whether it is refused. It never holds more than one
    /// connection, so that whoever guesses cannot keep others from the pool.
    static func count(
        _ attempts: [CountedFailure], in pool: PostgresPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [OAuthError?] {
        let asked = attempts.enumerated().flatMap { number, attempt in
            attempt.throttles.map { (throttle: $0, attempt: Int64(number)) }
        }
        let rows = try await pool.execute(
            count, asked.map(\.throttle.key), asked.map(\.attempt),
            asked.map { Int64($0.throttle.failures) }, asked.map(\.throttle.windowSeconds),
            deadline: deadline)
        let (refusals, surplus) = judge(attempts, by: rows)
        if !surplus.isEmpty {
            // They stay counted where this fails, until the window ends.
            _ = try? await pool.execute(takeBack, surplus.map(\.key), deadline: deadline)
        }
        return refusals
    }

    /// What becomes of attempts whose counters were read as they are after all of them: those are
    /// refused for which a counter was full, or became so with the ones before them; then they are to
    /// be taken back.
    private static func judge(
        _ attempts: [CountedFailure], by rows: [CountRow]
    ) -> (refusals: [OAuthError?], surplus: [Throttle]) {
        let counters = Dictionary(
            rows.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        func full(_ attempt: CountedFailure) -> Throttle? {
            attempt.throttles.first { counters[$0.key].map { $0.failures == nil } ?? false }
        }
        var counts = counters.mapValues { $0.failures ?? 0 }
        for attempt in attempts where full(attempt) == nil {
            for throttle in attempt.throttles { counts[throttle.key, default: 0] -= 1 }
        }
        var refusals: [OAuthError?] = []
        var surplus: [Throttle] = []
        for attempt in attempts {
            var refusal: OAuthError?
            func count(_ throttle: Throttle, as count: Int) {
                refusal =
                    refusal
                    ?? throttle.refusal(
                        count: count, secondsLeft: counters[throttle.key]?.secondsLeft ?? 0)
            }
            if let throttle = full(attempt) {
                count(throttle, as: throttle.failures + 1)
            } else {
                for throttle in attempt.throttles {
                    counts[throttle.key, default: 0] += 1
                    count(throttle, as: Int(counts[throttle.key] ?? 0))
                }
                if refusal != nil { surplus += attempt.throttles }
            }
            refusals.append(refusal)
        }
        return (refusals, surplus)
    }
}

extension CountedFailure: BatchedRequest {
    static let batch = "throttles"

    static func perform(
        _ requests: [CountedFailure], on database: ProvenPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [OAuthError?] {
        try await Throttles.count(requests, in: database.pool, by: deadline)
    }
}

extension Store {
    /// Counts an attempt as a failure in each of its counters; the refusal where one is full, and
    /// then it counts nowhere.
    package func countFailure(
        _ throttles: [Throttle], by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> OAuthError? {
        try await batched(
            CountedFailure(throttles: throttles, id: UInt64.random(in: .min ... .max)),
            by: deadline)
    }

    /// Takes back what was counted for an attempt that was not wrong.
    package func takeBack(
        _ throttles: [Throttle], by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) {
        try await execute(Throttles.takeBack, throttles.map(\.key), deadline: deadline)
    }
}
