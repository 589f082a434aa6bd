import Lease
import OAuth
package import Postgres

/// The purge horizon, as one process carries it forward: by its own boot clock alone (docs/promise.md).
///
/// What lies before it is over, whatever a clock says, and may be removed. It is in the database, and
/// goes as far as the boot clock ran since this process read it, a day behind the database's clock: no
/// step of a wall clock moves it.
package struct PurgeHorizon: Sendable {
    private var known: (at: PostgresTime, readAt: ContinuousClock.Instant)?

    package init() {}

    /// How far it has got; nil where this process has not read it yet.
    package func reach(at now: ContinuousClock.Instant) -> PostgresTime? {
        known.map { known in
            let (microseconds, overflow) = known.at.microseconds.addingReportingOverflow(
                (now - known.readAt).microseconds)
            return overflow ? known.at : PostgresTime(microseconds: microseconds)
        }
    }

    /// - Parameter now: when the answer was there: some time after the database gave it.
    package mutating func read(_ at: PostgresTime, at now: ContinuousClock.Instant) {
        known = (at, now)
    }

    struct HorizonRow: PostgresRow {
        let at: PostgresTime

        init(_ cells: inout Cells) throws(PostgresError) {
            at = try cells.next()
        }
    }

    /// Carries it forward to a moment (`$1`), no further than a day behind the clock, and returns it.
    static let advance = Statement<Proven<HorizonRow>, PostgresTime?>(
        "purge_horizon_advance",
        """
        WITH \(Primary.expression),
        advanced AS (
            UPDATE purge_horizon SET
                at = greatest(at, least(coalesce($1, at), clock_timestamp() - interval '1 day'))
            WHERE id
            RETURNING at)
        SELECT \(Primary.columns), advanced.at FROM primary_state CROSS JOIN advanced
        """)
}

extension Store {
    func advance(_ horizon: inout PurgeHorizon) async throws(StoreError) {
        let rows = try await proven(PurgeHorizon.advance, horizon.reach(at: .now))
        if let first = rows.first { horizon.read(first.row.at, at: .now) }
    }
}
