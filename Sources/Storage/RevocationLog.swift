package import Lease
package import OAuth
package import Postgres

/// A row of the revocation log with all that it says.
package struct LogRecord: Sendable {
    package let entry: LogEntry
    /// The secret that it is about.
    package let keyID: UInt8?
    /// False where something changed that nodes remember, and nothing ended.
    package let isEnd: Bool
    package let cause: Cause
    package let at: PostgresTime
}

/// Rows of the revocation log in order, and the log that they are of.
package struct LogPage: Sendable {
    /// Names the log: numbers of another one mean something else.
    package let logID: Identifier
    /// The number of the last row there is.
    package let endOfLog: Int64
    package let records: [LogRecord]
}

/// The revocation log, for whoever reads it from a number on.
enum RevocationLog {
    /// What a `LogEntry` is made of: columns of a row that is called so.
    static func entryColumns(of row: String) -> String {
        "\(row).number, \(row).kind, \(row).subject"
    }

    /// Nil where there is no row.
    struct EntryRow: PostgresRow {
        let entry: LogEntry?

        init(_ cells: inout Cells) throws(PostgresError) {
            let number: Int64? = try cells.next()
            let kind: String? = try cells.next()
            let subject: PostgresUUID? = try cells.next()
            // A kind that this version does not know may mean anything.
            entry = number.map { number in
                let kind = kind.flatMap(LogEntry.Kind.init)
                return LogEntry(
                    number: number, kind: kind ?? .everything,
                    subject: kind == nil ? nil : subject.map { Identifier($0) })
            }
        }
    }

    struct ReadRow: PostgresRow {
        let logID: PostgresUUID
        let endOfLog: Int64
        let record: LogRecord?

        init(_ cells: inout Cells) throws(PostgresError) {
            logID = try cells.next()
            endOfLog = try cells.next()
            let entry = try EntryRow(&cells).entry
            let keyID: Int16? = try cells.next()
            let isEnd: Bool? = try cells.next()
            let reason: String? = try cells.next()
            let actor: String? = try cells.next()
            let at: PostgresTime? = try cells.next()
            record =
                if let entry, let isEnd, let reason, let actor, let at {
                    LogRecord(
                        entry: entry, keyID: keyID.map { UInt8(clamping: $0) }, isEnd: isEnd,
                        cause: Cause(reason: reason, actor: actor), at: at)
                } else { nil }
        }
    }

    /// Rows after a number (`$1`), the oldest first, no more than `$2`.
    static let read = Statement<Proven<ReadRow>, Int64, Int64>(
        "revocation_log_read",
        """
        WITH \(Primary.expression),
        page AS MATERIALIZED (
            SELECT number, kind, subject, key_id, is_end, reason, actor, at FROM revocations
            WHERE number > $1 ORDER BY number LIMIT $2)
        SELECT \(Primary.columns), clock.log_id, clock.last_number, \(entryColumns(of: "page")),
               page.key_id, page.is_end, page.reason, page.actor, page.at
        FROM primary_state CROSS JOIN revocation_clock AS clock LEFT JOIN page ON true
        ORDER BY page.number
        """)
}

extension Store {
    /// Reads the revocation log after a number. Rows below the purge horizon may be gone: where the first
    /// one does not follow on the number, some were missed.
    package func revocationLog(
        after number: Int64, limit: Int, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> LogPage {
        let rows = try await proven(RevocationLog.read, number, Int64(limit), deadline: deadline)
        guard let first = rows.first else { throw .broken("revocation_log_read: no row") }
        return LogPage(
            logID: Identifier(first.row.logID), endOfLog: first.row.endOfLog,
            records: rows.compactMap(\.row.record))
    }
}
