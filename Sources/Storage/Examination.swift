package import Postgres
package import OAuth

/// What `doornail check` and the health endpoints look at.
package struct Examination: PostgresRow {
    package let primary: Primary
    package let serverVersion: Int32
    package let synchronousCommit: String
    package let fsync: String
    package let fullPageWrites: String
    package let encoding: String
    package let isSuperuser: Bool
    package let mayCreateTables: Bool
    package let clients: Int64
    package let nodes: Int64
    package let lastNumber: Int64
    package let maximumConnections: Int32

    package init(_ cells: inout Cells) throws(PostgresError) {
        primary = try Primary(&cells)
        serverVersion = try cells.next()
        synchronousCommit = try cells.next()
        fsync = try cells.next()
        fullPageWrites = try cells.next()
        encoding = try cells.next()
        isSuperuser = try cells.next()
        mayCreateTables = try cells.next()
        clients = try cells.next()
        nodes = try cells.next()
        lastNumber = try cells.next()
        maximumConnections = try cells.next()
    }

    static let statement = Statement<Examination>(
        "examination",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns),
               current_setting('server_version_num')::integer,
               current_setting('synchronous_commit'), current_setting('fsync'),
               current_setting('full_page_writes'),
               (SELECT pg_encoding_to_char(encoding)::text FROM pg_database
                WHERE datname = current_database()),
               (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
               has_schema_privilege(current_schema(), 'CREATE'),
               (SELECT count(*) FROM clients), (SELECT count(*) FROM nodes),
               (SELECT last_number FROM revocation_clock),
               current_setting('max_connections')::integer
        FROM primary_state
        """)

    /// Only who answers, for readiness.
    static let ping = Statement<Proven<NoRow>>(
        "ping", "WITH \(Primary.expression) SELECT \(Primary.columns) FROM primary_state")
}

extension Store {
    package func examine() async throws(StoreError) -> Examination {
        do {
            guard
                let row = try await pool.execute(
                    Examination.statement, deadline: Store.deadline
                ).first
            else { throw PostgresError.undecodable("examination: no row") }
            return row
        } catch let error as PostgresError {
            throw StoreError(error)
        } catch {
            throw .broken("\(error)")
        }
    }

    /// Whether the primary answers within a second; returns its time. Those who ask at once share
    /// one read, so that a flood of them takes one connection.
    package func ping() async throws(StoreError) -> UnixTime {
        do {
            return try await pings.perform(true, deadline: .now + .seconds(1))
        } catch {
            throw StoreError(error)
        }
    }
}
