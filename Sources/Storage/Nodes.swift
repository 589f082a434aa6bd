package import OAuth
package import Postgres

/// Running servers: each keeps a row that says which secrets it holds, how long its leases are, and
/// up to which number it has applied the revocation log (docs/promise.md).
enum Nodes {
    /// One node, or nothing at all.
    struct NodeRow: PostgresRow {
        let endOfLog: Int64
        let timelineAge: Int64?
        let id: PostgresUUID?
        let keyIDs: [Int16]?
        let leaseMilliseconds: Int32?
        let applied: Int64?
        let renewedAt: PostgresTime?

        init(_ cells: inout Cells) throws(PostgresError) {
            endOfLog = try cells.next()
            timelineAge = try cells.next()
            id = try cells.next()
            keyIDs = try cells.next()
            leaseMilliseconds = try cells.next()
            applied = try cells.next()
            renewedAt = try cells.next()
        }
    }

    /// All nodes, and the end of the log, in one snapshot. The age of the log's timeline is null
    /// where nothing was written on it yet.
    static let list = Statement<Proven<NodeRow>>(
        "nodes_list",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), clock.last_number,
               CASE WHEN clock.timeline = primary_state.timeline
                    THEN (extract(epoch FROM clock_timestamp() - clock.timeline_since) * 1000)::bigint
               END,
               nodes.id, nodes.key_ids, nodes.lease_ms, nodes.applied, nodes.renewed_at
        FROM primary_state CROSS JOIN revocation_clock AS clock LEFT JOIN nodes ON true
        """)

    /// Names the row that a statement is about to change or remove, as the database demands of it.
    static func named(_ parameter: String, reason: String? = nil) -> String {
        let reason = reason.map { ", set_config('doornail.reason', '\($0)', true) AS reason" } ?? ""
        return "named AS MATERIALIZED ("
            + "SELECT set_config('doornail.node', \(parameter)::uuid::text, true) AS node\(reason))"
    }

    static let leave = Statement<NoRow, PostgresUUID>(
        "nodes_leave",
        """
        WITH \(named("$1", reason: "the node left"))
        DELETE FROM nodes USING named WHERE id = $1 AND named.node IS NOT NULL
        """)

    /// Removes the row of a node that is dead, if it is still the row that was read.
    static let remove = Statement<NoRow, PostgresUUID, PostgresTime>(
        "nodes_remove",
        """
        WITH \(named("$1", reason: "the node is dead"))
        DELETE FROM nodes USING named WHERE id = $1 AND named.node IS NOT NULL AND renewed_at = $2
        """)
}

/// A node, as its row says.
package struct NodeRecord: Sendable, Equatable {
    package let id: Identifier
    package let keyIDs: Set<UInt8>
    /// How long its leases are.
    package let lease: Duration
    /// The number of the log up to which it has applied it.
    package let applied: Int64
    package let renewedAt: PostgresTime

    package init(
        id: Identifier, keyIDs: Set<UInt8>, lease: Duration, applied: Int64,
        renewedAt: PostgresTime
    ) {
        self.id = id
        self.keyIDs = keyIDs
        self.lease = lease
        self.applied = applied
        self.renewedAt = renewedAt
    }
}

/// All nodes, and the end of the log, at one moment.
package struct NodeList: Sendable {
    /// The number of the last row of the log.
    package let endOfLog: Int64
    /// How long ago the log was first written on its present timeline; nil where it never was.
    package let timelineAge: Duration?
    package let nodes: [NodeRecord]

    package init(endOfLog: Int64, timelineAge: Duration?, nodes: [NodeRecord]) {
        self.endOfLog = endOfLog
        self.timelineAge = timelineAge
        self.nodes = nodes
    }
}

/// A read of all nodes. Those who ask meanwhile share the next one.
private struct NodeListRead: BatchedRequest {
    static let batch = "nodes"

    static func perform(
        _ requests: [NodeListRead], on database: ProvenPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [NodeList] {
        let rows = try await database.rows(Nodes.list, by: deadline)
        guard let first = rows.first else { throw .undecodable("nodes_list: no row") }
        let list = NodeList(
            endOfLog: first.row.endOfLog,
            timelineAge: first.row.timelineAge.map { .milliseconds($0) },
            nodes: rows.compactMap(\.row.node))
        return requests.map { _ in list }
    }
}

extension Nodes.NodeRow {
    fileprivate var node: NodeRecord? {
        guard let id, let keyIDs, let applied, let leaseMilliseconds, let renewedAt else {
            return nil
        }
        return NodeRecord(
            id: Identifier(id), keyIDs: Set(keyIDs.map { UInt8(clamping: $0) }),
            lease: .milliseconds(Int64(leaseMilliseconds)), applied: applied,
            renewedAt: renewedAt)
    }
}

extension Store {
    /// All nodes, read after this was called.
    package func nodeList(
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> NodeList {
        try await batched(NodeListRead(), by: deadline)
    }

    /// Takes a node's row away; it has given up its lease before.
    package func leaveNode(_ id: Identifier) async throws(StoreError) {
        try await execute(Nodes.leave, id.uuid)
    }

    /// Removes a dead node's row by compare-and-set on what was read of it.
    package func removeNode(_ node: NodeRecord) async throws(StoreError) {
        try await execute(Nodes.remove, node.id.uuid, node.renewedAt)
    }
}
