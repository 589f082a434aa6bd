package import Lease
package import OAuth
package import Postgres
import Synchronization

/// Which server answered, read in the same statement as the data.
///
/// A primary that was cut off still answers SELECT: it would call dead tokens alive. A plain read
/// proves nothing by itself; this tells the old primary from the new one
/// (docs/decisions/0003-what-a-read-proves.md).
package struct Primary: Sendable, Equatable {
    package let isRecovering: Bool
    package let systemIdentifier: Int64
    /// The timeline, which goes up by one at each promotion; 0 while in recovery.
    package let timeline: Int32
    /// The server's time, and never before the purge horizon: what is removed there has expired for
    /// good (docs/promise.md).
    package let now: PostgresTime
    /// The settings under which an acknowledged commit may be lost, as this very statement ran; empty
    /// where there are none.
    package let weakness: String

    /// What everything that begins, ends by itself, or is used is counted from and judged by, as SQL.
    static let time = "greatest(clock_timestamp(), (SELECT at FROM purge_horizon WHERE id))"

    /// A common table expression of one row; `pg_control_checkpoint()` would lag.
    static let expression = """
        primary_state AS MATERIALIZED (
            SELECT pg_is_in_recovery() AS recovering,
                   (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
                   CASE WHEN pg_is_in_recovery() THEN 0
                        ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))
                             ::bit(32)::integer
                   END AS timeline,
                   \(time) AS now,
                   concat_ws(', ',
                       CASE WHEN current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')
                            THEN 'synchronous_commit is ' || current_setting('synchronous_commit')
                       END,
                       CASE current_setting('fsync') WHEN 'off' THEN 'fsync is off' END,
                       CASE current_setting('full_page_writes')
                            WHEN 'off' THEN 'full_page_writes is off' END) AS weakness)
        """
    /// Its columns, the first of every proven statement.
    static let columns =
        "primary_state.recovering, primary_state.system_identifier, primary_state.timeline, "
        + "primary_state.now, primary_state.weakness"

    init(_ cells: inout Cells) throws(PostgresError) {
        isRecovering = try cells.next()
        systemIdentifier = try cells.next()
        timeline = try cells.next()
        now = try cells.next()
        weakness = try cells.next()
        // So sums and differences of the server's times never overflow.
        guard Self.times.contains(now.microseconds) else {
            throw .undecodable("the server's time is \(now), which is no time of a clock")
        }
    }

    /// What a clock may show: 73,000 years to either side of 1970.
    private static let times = Int64.min / 4...Int64.max / 4

    package init(
        isRecovering: Bool, systemIdentifier: Int64, timeline: Int32, now: PostgresTime,
        weakness: String = ""
    ) {
        self.isRecovering = isRecovering
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
        self.now = now
        self.weakness = weakness
    }

    package var time: UnixTime { UnixTime(now) }

    package var reign: Reign { Reign(systemIdentifier: systemIdentifier, timeline: timeline) }
}

/// A row together with the server that it came from.
struct Proven<Row: PostgresRow>: PostgresRow {
    let primary: Primary
    let row: Row

    init(_ cells: inout Cells) throws(PostgresError) {
        primary = try Primary(&cells)
        row = try Row(&cells)
    }
}

/// Says whether what a server answered is certain.
///
/// A node's authority is its lease: the answer counts if the primary that granted it gave it. A
/// command of the operator's has none, and goes by `PrimaryGuard` alone.
package protocol Authority: Sendable {
    /// Returns once the answer is certain; it may have to wait.
    func prove(
        _ primary: Primary, by deadline: ContinuousClock.Instant
    ) async throws(StoreError)
}

/// Remembers the newest primary that answered, and refuses the answers of any other.
package final class PrimaryGuard: Authority {
    private let newest = Mutex<Primary?>(nil)

    package init() {}

    package func prove(
        _ primary: Primary, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) {
        try check(primary)
    }

    /// Accepts an answer's origin, or says why the answer proves nothing.
    package func check(_ primary: Primary) throws(StoreError) {
        guard !primary.isRecovering else {
            throw .unavailable("the server that answered is a standby in recovery")
        }
        guard primary.weakness.isEmpty || Trap.asyncCommit.isPlanted else {
            throw .unavailable(
                "the database may lose commits that it acknowledged (\(primary.weakness)); "
                    + "set it to on, for the server, the database and the role")
        }
        let known = newest.withLock { known in
            if let newest = known, newest.systemIdentifier != primary.systemIdentifier {
                return newest
            }
            if primary.timeline > known?.timeline ?? .min { known = primary }
            return known ?? primary
        }
        guard known.systemIdentifier == primary.systemIdentifier else {
            throw .unavailable(
                "the server that answered belongs to another cluster than before; "
                    + "restart this node if the database was replaced on purpose")
        }
        guard known.timeline <= primary.timeline else {
            throw .unavailable(
                "the server that answered is an old primary (timeline \(primary.timeline), "
                    + "while \(known.timeline) was seen)")
        }
    }
}

extension UnixTime {
    /// The second that a moment lies in; `infinity` and `-infinity` are in the last one and the first.
    package init(_ time: PostgresTime) {
        let (seconds, rest) = time.microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        self.init(seconds: rest < 0 ? seconds - 1 : seconds)
    }
}

extension PostgresTime {
    /// The beginning of a second.
    init(_ time: UnixTime) {
        let (microseconds, overflow) = time.seconds.multipliedReportingOverflow(by: 1_000_000)
        self.init(microseconds: overflow ? (time.seconds < 0 ? .min : .max) : microseconds)
    }
}

extension Identifier {
    package init(_ uuid: PostgresUUID) {
        self.init(high: uuid.high, low: uuid.low)
    }

    var uuid: PostgresUUID { PostgresUUID(high: high, low: low) }
}
