package import OAuth
package import Postgres

/// A secret of the server as the database knows it.
package struct SecretRecord: Sendable {
    package let known: SecretRules.StoredSecret
    package let addedAt: PostgresTime
    package let retiredAt: PostgresTime?
    package let retiredReason: String?
    package let retiredBy: String?
}

/// Key ids: given out once, and retired.
enum Secrets {
    struct SecretRow: PostgresRow {
        let record: SecretRecord?

        init(_ cells: inout Cells) throws(PostgresError) {
            let keyID: Int16? = try cells.next()
            let fingerprint: [UInt8]? = try cells.next()
            let addedAt: PostgresTime? = try cells.next()
            let retiredAt: PostgresTime? = try cells.next()
            let retiredReason: String? = try cells.next()
            let retiredBy: String? = try cells.next()
            guard let keyID, let fingerprint, let addedAt else {
                record = nil
                return
            }
            record = SecretRecord(
                known: SecretRules.StoredSecret(
                    keyID: UInt8(clamping: keyID), fingerprint: fingerprint,
                    isRetired: retiredAt != nil),
                addedAt: addedAt, retiredAt: retiredAt, retiredReason: retiredReason,
                retiredBy: retiredBy)
        }
    }

    static let list = Statement<Proven<SecretRow>>(
        "secrets_list",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), s.key_id, s.fingerprint, s.added_at, s.retired_at,
               s.retired_reason, s.retired_by
        FROM primary_state LEFT JOIN secrets AS s ON true
        ORDER BY s.key_id
        """)

    struct GrantsRow: PostgresRow {
        let keyID: Int16?
        let grants: Int64

        init(_ cells: inout Cells) throws(PostgresError) {
            keyID = try cells.next()
            grants = try cells.next()
        }
    }

    /// How many grants can be refreshed by a token under each secret: for an operator who asks, since
    /// it reads them all.
    static let grants = Statement<Proven<GrantsRow>>(
        "secrets_grants",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), g.key_id, count(g.id)
        FROM primary_state LEFT JOIN grants AS g
            ON \(Alive.refreshableGrant("g", at: "primary_state.now"))
        GROUP BY \(Primary.columns), g.key_id
        """)

    /// Gives a fingerprint the next key id. Of two at the same time, one meets the other's key id, and
    /// tries again.
    static let admit = Statement<Proven<NoRow>, [UInt8]>(
        "secrets_admit",
        """
        WITH \(Primary.expression),
        added AS (
            INSERT INTO secrets (key_id, fingerprint)
            SELECT coalesce(max(key_id), 0) + 1, $1 FROM secrets
            ON CONFLICT (fingerprint) DO UPDATE SET fingerprint = excluded.fingerprint
            RETURNING key_id)
        SELECT \(Primary.columns) FROM primary_state CROSS JOIN (SELECT count(*) FROM added) AS n
        """)

    /// Retires a secret, again where it is retired already; never the last one that is not. A trigger
    /// refuses where a signing key has no other, and else removes the copies under it.
    static let retire = Statement<Proven<ClientRecords.FoundRow>, Int16, String, String>(
        "secrets_retire",
        """
        WITH \(Primary.expression),
        locked AS MATERIALIZED (SELECT key_id, retired_at FROM secrets ORDER BY key_id FOR UPDATE),
        changed AS (
            UPDATE secrets SET
                retired_at = coalesce(secrets.retired_at, clock_timestamp()),
                retired_reason = $2, retired_by = $3, retirements = retirements + 1
            WHERE key_id = $1
              AND EXISTS (SELECT FROM locked WHERE locked.key_id <> $1 AND locked.retired_at IS NULL)
            RETURNING key_id)
        SELECT \(Primary.columns), EXISTS (SELECT FROM changed) FROM primary_state
        """)
}

extension Store {
    /// The same on a connection of one's own.
    package static func secrets(
        on connection: PostgresConnection
    ) async throws(StoreError) -> [SecretRecord] {
        try await StoreError.translating { () async throws(PostgresError) in
            try await connection.execute(Secrets.list, deadline: Store.deadline)
                .compactMap(\.row.record)
        }
    }

    package func secrets() async throws(StoreError) -> [SecretRecord] {
        try await proven(Secrets.list).compactMap(\.row.record)
    }

    /// How many grants can be refreshed by a token under each secret, by key id.
    package func grantsBySecret() async throws(StoreError) -> [UInt8: Int64] {
        var grants: [UInt8: Int64] = [:]
        for proven in try await proven(Secrets.grants) {
            if let keyID = proven.row.keyID { grants[UInt8(clamping: keyID)] = proven.row.grants }
        }
        return grants
    }

    /// Makes a secret known to the database, under a key id of its own.
    package func admit(_ secret: ServerSecret) async throws(StoreError) {
        // A node makes its secrets known before it can answer, so no lease proves it.
        let database = ProvenPool(pool: pool, authority: PrimaryGuard())
        for _ in 0..<20 {
            do {
                _ = try await database.rows(Secrets.admit, secret.fingerprint, by: Store.deadline)
                return
            } catch .refused("23505", _, _) {
                continue
            } catch .refused("23514", _, _) {
                throw .conflict(.noKeyIDLeft)
            } catch {
                throw StoreError(error)
            }
        }
        throw .unavailable("other nodes are adding secrets at the same time")
    }

    /// Retires a secret: every token under it is dead from then on.
    package func retireSecret(
        _ keyID: UInt8, because cause: Cause
    ) async throws(StoreError) -> UnixTime {
        let known = try await secrets().map(\.known)
        guard known.contains(where: { $0.keyID == keyID }) else {
            throw .missing(.secret(keyID))
        }
        let others = Set(known.filter { !$0.isRetired && $0.keyID != keyID }.map(\.keyID))
        guard
            try await nodeList().nodes.map(\.keyIDs).allSatisfy({
                !$0.isDisjoint(with: others) || others.isEmpty
            })
        else {
            throw .conflict(.onlySecretOfNode(keyID))
        }
        let rows = try await proven(Secrets.retire, Int16(keyID), cause.reason, cause.actor)
        guard let first = rows.first, first.row.isFound else {
            throw .conflict(.onlySecret(keyID))
        }
        return first.primary.time
    }
}
