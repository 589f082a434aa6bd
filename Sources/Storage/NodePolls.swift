package import Lease
package import Logging
package import OAuth
import Postgres

/// What a node asks by its row: to join, and to follow the revocation log.
enum NodePolls {
    struct JoinedRow: PostgresRow {
        let endOfLog: Int64
        let logID: PostgresUUID
        let longestMilliseconds: Int32?

        init(_ cells: inout Cells) throws(PostgresError) {
            endOfLog = try cells.next()
            logID = try cells.next()
            longestMilliseconds = try cells.next()
        }
    }

    struct PolledRow: PostgresRow {
        let isRenewed: Bool
        let endOfLog: Int64
        let entry: LogEntry?

        init(_ cells: inout Cells) throws(PostgresError) {
            isRenewed = try cells.next()
            endOfLog = try cells.next()
            entry = try RevocationLog.EntryRow(&cells).entry
        }
    }

    /// How many rows a poll brings at most.
    static let length: Int32 = 2000

    /// Makes a node's row, under an id that was never used, and removes the one that it had. It lists
    /// the secrets that the node holds, as far as the database knows them, from the first.
    static let join = Statement<
        Proven<JoinedRow>, PostgresUUID, PostgresUUID, [[UInt8]], String, Int32
    >(
        "nodes_join",
        """
        WITH \(Primary.expression),
        \(Nodes.named("$2", reason: "the node joined again")),
        gone AS (DELETE FROM nodes USING named WHERE id = $2 AND named.node IS NOT NULL),
        joined AS (
            INSERT INTO nodes (id, key_ids, version, lease_ms, applied, names_itself)
            SELECT $1, ARRAY(SELECT key_id FROM secrets
                             WHERE fingerprint = ANY($3) AND retired_at IS NULL ORDER BY key_id),
                   $4, $5, clock.last_number, true
            FROM revocation_clock AS clock
            RETURNING applied)
        SELECT \(Primary.columns), joined.applied, clock.log_id, (SELECT max(lease_ms) FROM nodes)
        FROM primary_state CROSS JOIN joined CROSS JOIN revocation_clock AS clock
        """)

    /// Renews a node's row, reports what it has applied, and brings what is newer, all in one
    /// snapshot. An UPDATE, never an upsert: no row means that the node was given up.
    static let poll = Statement<
        Proven<PolledRow>, PostgresUUID, Int64, PostgresUUID, Int64, Int32, [Int16]?, Int32
    >(
        "nodes_poll",
        """
        WITH \(Primary.expression),
        \(Nodes.named("$1")),
        renewed AS (
            UPDATE nodes SET renewed_at = clock_timestamp(), applied = $2,
                             key_ids = coalesce($6, key_ids)
            FROM primary_state AS p, revocation_clock AS clock, named
            WHERE nodes.id = $1 AND named.node IS NOT NULL AND clock.log_id = $3
              AND clock.last_number >= $2
              AND p.system_identifier = $4 AND p.timeline = $5
            RETURNING nodes.id),
        news AS (
            SELECT number, kind, subject FROM revocations
            WHERE number > $2 ORDER BY number LIMIT $7)
        SELECT \(Primary.columns), EXISTS (SELECT FROM renewed), clock.last_number,
               \(RevocationLog.entryColumns(of: "news"))
        FROM primary_state CROSS JOIN revocation_clock AS clock LEFT JOIN news ON true
        ORDER BY news.number
        """)
}

extension NodePolls {
    static let statements: [any PreparableStatement] = [join, poll]
}

/// A connection of a node's own, outside the pool, by which it joins, polls and listens.
package struct LogConnection: Sendable {
    private let connection: PostgresConnection
    private let newest: PrimaryGuard

    /// - Parameters:
    ///   - url: any libpq URI. It should lead to PostgreSQL itself: a pooler that shares connections out
    ///     by transactions keeps notifications from coming, and each revocation waits for the next poll.
    ///   - newest: what is heard of primaries by this connection counts there, and the other way round.
    package static func open(
        _ url: String, newest: PrimaryGuard = PrimaryGuard(), logger: Logger,
        deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> LogConnection {
        try await StoreError.translating { () async throws(PostgresError) in
            let connection = try await PostgresConnection.open(
                url: url, applicationName: "doornail lease", statements: NodePolls.statements,
                demands: .init(synchronousCommit: true, primary: true), logger: logger,
                deadline: deadline)
            try await connection.script("LISTEN doornail_revocations", deadline: deadline)
            return LogConnection(connection: connection, newest: newest)
        }
    }

    /// - Parameter previous: the id that this node had before, whose row goes.
    package func join(
        as id: Identifier, insteadOf previous: Identifier, fingerprints: [[UInt8]],
        version: String, lease: Duration, deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> Joining {
        let rows = try await StoreError.translating { () async throws(PostgresError) in
            try await connection.execute(
                NodePolls.join, id.uuid, previous.uuid, fingerprints, version,
                lease.wholeMilliseconds, deadline: deadline)
        }
        guard let first = rows.first else { throw .broken("nodes_join: no row") }
        try newest.check(first.primary)
        return Joining(
            incarnation: id, reign: first.primary.reign, logID: Identifier(first.row.logID),
            endOfLog: first.row.endOfLog,
            longestLease: .milliseconds(Int64(first.row.longestMilliseconds ?? 0)))
    }

    /// - Parameter keyIDs: the secrets that the row is to list from now on; nil leaves them.
    package func poll(
        _ joining: Joining, applied: Int64, keyIDs: Set<UInt8>?, deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> Poll {
        let rows = try await StoreError.translating { () async throws(PostgresError) in
            try await connection.execute(
                NodePolls.poll, joining.incarnation.uuid, applied, joining.logID.uuid,
                joining.reign.systemIdentifier, joining.reign.timeline,
                keyIDs.map { $0.sorted().map(Int16.init) }, NodePolls.length, deadline: deadline)
        }
        guard let first = rows.first else { throw .broken("nodes_poll: no row") }
        if !Trap.oldPrimary.isPlanted { try newest.check(first.primary) }
        return Poll(
            reign: first.primary.reign, time: first.primary.now.microseconds,
            isRenewed: first.row.isRenewed, endOfLog: first.row.endOfLog,
            entries: rows.compactMap(\.row.entry))
    }

    /// Waits until something was appended to the log, or the deadline.
    package func waitForNews(by deadline: ContinuousClock.Instant) async throws(StoreError) {
        try await StoreError.translating { () async throws(PostgresError) in
            _ = try await connection.isNotified(by: deadline)
        }
    }

    package func close() async {
        await connection.close()
    }
}

extension Duration {
    fileprivate var wholeMilliseconds: Int32 {
        let (seconds, attoseconds) = components
        return Int32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }
}
