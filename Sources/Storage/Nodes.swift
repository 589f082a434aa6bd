package import OAuth
import Postgres

/// Running servers: each keeps a row that says which secrets it holds.
enum Nodes {
    struct NodeRow: PostgresRow {
        let keyIDs: [Int16]?

        init(_ cells: inout Cells) throws(PostgresError) {
            keyIDs = try cells.next()
        }
    }

    /// A node that has not renewed its row for so long is taken for dead.
    static let staleSeconds: Int64 = 10

    static let join = Statement<Proven<NoRow>, PostgresUUID, [Int16], String>(
        "nodes_join",
        """
        WITH \(Primary.expression),
        joined AS (
            INSERT INTO nodes (id, key_ids, version) VALUES ($1, $2, $3)
            ON CONFLICT (id) DO NOTHING RETURNING id)
        SELECT \(Primary.columns) FROM primary_state CROSS JOIN (SELECT count(*) FROM joined) AS n
        """)

    /// Renews a node's row; it says whether the row was still there.
    static let renew = Statement<Proven<ClientRecords.FoundRow>, PostgresUUID, [Int16]>(
        "nodes_renew",
        """
        WITH \(Primary.expression),
        renewed AS (
            UPDATE nodes SET renewed_at = clock_timestamp(), key_ids = $2 WHERE id = $1
            RETURNING id)
        SELECT \(Primary.columns), EXISTS (SELECT FROM renewed) FROM primary_state
        """)

    static let leave = Statement<Proven<NoRow>, PostgresUUID>(
        "nodes_leave",
        """
        WITH \(Primary.expression),
        left_nodes AS (DELETE FROM nodes WHERE id = $1 RETURNING id)
        SELECT \(Primary.columns)
        FROM primary_state CROSS JOIN (SELECT count(*) FROM left_nodes) AS n
        """)

    static let list = Statement<Proven<NodeRow>>(
        "nodes_list",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), nodes.key_ids FROM primary_state LEFT JOIN nodes ON true
        """)

    /// Removes the rows of nodes that have not renewed them; each by what was read of it.
    static let removeStale = Statement<NoRow, Int64>(
        "nodes_remove_stale",
        """
        DELETE FROM nodes
        WHERE renewed_at < clock_timestamp() - make_interval(secs => $1::bigint)
        """)
}

extension Store {
    package func joinNode(
        _ id: Identifier, holding keyIDs: Set<UInt8>, version: String
    ) async throws(StoreError) {
        _ = try await proven(Nodes.join, id.uuid, keyIDs.sorted().map(Int16.init), version)
    }

    /// Renews the node's row: whether it was still there, or another node took it for dead and
    /// removed it; and the database's time.
    package func renewNode(
        _ id: Identifier, holding keyIDs: Set<UInt8>
    ) async throws(StoreError) -> (isThere: Bool, at: UnixTime) {
        let rows = try await proven(Nodes.renew, id.uuid, keyIDs.sorted().map(Int16.init))
        guard let first = rows.first else { throw .broken("nodes_renew: no row") }
        return (first.row.isFound, first.primary.time)
    }

    package func leaveNode(_ id: Identifier) async throws(StoreError) {
        _ = try await proven(Nodes.leave, id.uuid)
    }

    /// The key ids that each running node lists.
    package func nodes() async throws(StoreError) -> [Set<UInt8>] {
        try await proven(Nodes.list).compactMap(\.row.keyIDs)
            .map { Set($0.map { UInt8(clamping: $0) }) }
    }

    package func removeStaleNodes() async throws(StoreError) {
        do {
            _ = try await pool.execute(
                Nodes.removeStale, Nodes.staleSeconds, deadline: Store.deadline)
        } catch {
            throw StoreError(error)
        }
    }
}
