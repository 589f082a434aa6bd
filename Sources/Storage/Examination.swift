package import Postgres
package import OAuth

/// What `doornail check` and the health endpoints look at.
package struct Examination: PostgresRow {
    package let primary: Primary
    package let serverVersion: Int32
    package let encoding: String
    package let isSuperuser: Bool
    package let mayCreateTables: Bool
    /// Whether whoever may connect may make temporary tables.
    package let mayAnybodyMakeTables: Bool
    package let clients: Int64
    package let nodes: Int64
    package let lastNumber: Int64
    /// How many connections there may be, those kept for superusers and others aside.
    package let maximumConnections: Int32
    /// For whom commits wait; empty where for nobody.
    package let synchronousStandbys: String
    /// Nodes whose rows were not renewed for ten leases.
    package let silentNodes: Int64
    /// The longest lease among them, in milliseconds.
    package let silentLeaseMilliseconds: Int32?
    /// Triggers that are not always on, which guard nothing.
    package let offTriggers: Int64
    /// Up to when what is over is removed.
    package let purgeHorizon: PostgresTime

    package init(_ cells: inout Cells) throws(PostgresError) {
        primary = try Primary(&cells)
        serverVersion = try cells.next()
        encoding = try cells.next()
        isSuperuser = try cells.next()
        mayCreateTables = try cells.next()
        mayAnybodyMakeTables = try cells.next()
        clients = try cells.next()
        nodes = try cells.next()
        lastNumber = try cells.next()
        maximumConnections = try cells.next()
        synchronousStandbys = try cells.next()
        silentNodes = try cells.next()
        silentLeaseMilliseconds = try cells.next()
        offTriggers = try cells.next()
        purgeHorizon = try cells.next()
    }

    static let statement = Statement<Examination>(
        "examination",
        """
        WITH \(Primary.expression),
        silent AS (
            SELECT count(*) AS nodes, max(lease_ms) AS lease_ms
            FROM nodes
            WHERE renewed_at < clock_timestamp() - lease_ms * interval '10 milliseconds')
        SELECT \(Primary.columns),
               current_setting('server_version_num')::integer,
               (SELECT pg_encoding_to_char(encoding)::text FROM pg_database
                WHERE datname = current_database()),
               (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
               has_schema_privilege(current_schema(), 'CREATE'),
               has_database_privilege('public', current_database(), 'TEMPORARY'),
               (SELECT count(*) FROM clients), (SELECT count(*) FROM nodes),
               (SELECT last_number FROM revocation_clock),
               current_setting('max_connections')::integer
                   - current_setting('superuser_reserved_connections')::integer
                   - coalesce(current_setting('reserved_connections', true)::integer, 0),
               current_setting('synchronous_standby_names'), silent.nodes, silent.lease_ms,
               (SELECT count(*) FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
                WHERE c.relnamespace = quote_ident(current_schema())::regnamespace
                  AND NOT t.tgisinternal
                  AND t.tgenabled <> CASE t.tgname WHEN 'apply' THEN 'R' ELSE 'A' END::"char"
                  AND EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'apply')),
               (SELECT at FROM purge_horizon WHERE id)
        FROM primary_state CROSS JOIN silent
        """)

    /// Only who answers, for readiness.
    static let ping = Statement<Proven<NoRow>>(
        "ping", "WITH \(Primary.expression) SELECT \(Primary.columns) FROM primary_state")
}

/// A read of who answers. Those who ask meanwhile share the next one, so that a flood of them takes one
/// connection.
private struct Ping: BatchedRequest {
    static let batch = "ping"

    static func perform(
        _ requests: [Ping], on database: ProvenPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [UnixTime] {
        let rows = try await database.rows(Examination.ping, by: deadline)
            .counted(1, of: Examination.ping)
        return requests.flatMap { _ in rows.map(\.primary.time) }
    }
}

extension Store {
    package func examine() async throws(StoreError) -> Examination {
        guard let row = try await execute(Examination.statement).first else {
            throw .broken("examination: no row")
        }
        return row
    }

    /// Whether the primary answers within a second; returns its time.
    package func ping() async throws(StoreError) -> UnixTime {
        try await batched(Ping(), by: .now + .seconds(1))
    }
}
