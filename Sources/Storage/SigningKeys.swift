package import OAuth
package import Postgres

/// A signing key as the database has it, with its private part under each secret.
package struct SigningKeyRecord: Sendable {
    package let known: SigningKeyRules.StoredKey
    package let publicJWK: String
    package let withdrawnAt: PostgresTime?
    package let withdrawnBy: String?
    /// The private part, by the key id of the secret that it is sealed under.
    package var copies: [UInt8: [UInt8]]
}

/// Keys that ID tokens are signed with.
enum SigningKeys {
    struct KeyRow: PostgresRow {
        let record: SigningKeyRecord?

        init(_ cells: inout Cells) throws(PostgresError) {
            let kid: String? = try cells.next()
            let algorithm: String? = try cells.next()
            let publicJWK: String? = try cells.next()
            let createdAt: PostgresTime? = try cells.next()
            let withdrawnAt: PostgresTime? = try cells.next()
            let withdrawnBy: String? = try cells.next()
            let keyID: Int16? = try cells.next()
            let sealed: [UInt8]? = try cells.next()
            guard let kid, let publicJWK, let createdAt,
                let algorithm = algorithm.flatMap(SigningAlgorithm.init)
            else {
                record = nil
                return
            }
            var copies: [UInt8: [UInt8]] = [:]
            if let keyID, let sealed { copies[UInt8(clamping: keyID)] = sealed }
            record = SigningKeyRecord(
                known: SigningKeyRules.StoredKey(
                    kid: kid, algorithm: algorithm, createdAt: UnixTime(createdAt),
                    isWithdrawn: withdrawnAt != nil),
                publicJWK: publicJWK, withdrawnAt: withdrawnAt, withdrawnBy: withdrawnBy,
                copies: copies)
        }
    }

    /// A row for each key and copy.
    static let list = Statement<Proven<KeyRow>>(
        "signing_keys_list",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), k.kid, k.algorithm, k.public_jwk, k.created_at,
               k.withdrawn_at, k.withdrawn_by, c.key_id, c.sealed
        FROM primary_state
        LEFT JOIN signing_keys AS k ON true
        LEFT JOIN signing_key_copies AS c ON c.kid = k.kid
        ORDER BY k.created_at, k.kid, c.key_id
        """)

    /// A new key with its copies. Of nodes that find at the same time that one is due, one makes it: the
    /// others find a young key, unless they insist (`$6`).
    ///
    /// The secrets are locked, so that none of them is retired meanwhile; a key is not made where
    /// all of them were.
    static let add = Statement<
        Proven<ClientRecords.FoundRow>, String, String, String, [Int16], [[UInt8]], Bool
    >(
        "signing_keys_add",
        """
        WITH \(Primary.expression),
        held AS MATERIALIZED (
            SELECT key_id FROM secrets WHERE key_id = ANY($4) AND retired_at IS NULL
            ORDER BY key_id FOR SHARE),
        added AS (
            INSERT INTO signing_keys (kid, algorithm, public_jwk, created_at)
            SELECT $1, $2, $3, \(Primary.time)
            WHERE EXISTS (SELECT FROM held) AND ($6 OR NOT EXISTS (
                SELECT FROM signing_keys
                WHERE algorithm = $2 AND withdrawn_at IS NULL
                  AND created_at > \(Primary.time) - interval '1 minute'))
            ON CONFLICT (kid) DO NOTHING
            RETURNING kid),
        copied AS (
            INSERT INTO signing_key_copies (kid, key_id, sealed)
            SELECT added.kid, c.key_id, c.sealed
            FROM added CROSS JOIN unnest($4::smallint[], $5::bytea[]) AS c (key_id, sealed)
            JOIN held ON held.key_id = c.key_id
            RETURNING key_id)
        -- Done again after a lost reply, it finds its own key.
        SELECT \(Primary.columns),
               EXISTS (SELECT FROM added) OR EXISTS (SELECT FROM signing_keys WHERE kid = $1)
        FROM primary_state CROSS JOIN (SELECT count(*) FROM copied) AS n
        """)

    /// Copies of private parts under secrets that are new; none of a key that was withdrawn, or under
    /// a secret that was retired, at this very moment too.
    static let copy = Statement<Proven<NoRow>, [String], [Int16], [[UInt8]]>(
        "signing_keys_copy",
        """
        WITH \(Primary.expression),
        held AS MATERIALIZED (
            SELECT key_id FROM secrets WHERE key_id = ANY($2) AND retired_at IS NULL
            ORDER BY key_id FOR SHARE),
        present AS MATERIALIZED (
            SELECT kid FROM signing_keys WHERE kid = ANY($1) AND withdrawn_at IS NULL
            ORDER BY kid FOR SHARE),
        copied AS (
            INSERT INTO signing_key_copies (kid, key_id, sealed)
            SELECT c.kid, c.key_id, c.sealed
            FROM unnest($1::text[], $2::smallint[], $3::bytea[]) AS c (kid, key_id, sealed)
            JOIN held ON held.key_id = c.key_id
            JOIN present ON present.kid = c.kid
            ORDER BY c.kid, c.key_id
            ON CONFLICT DO NOTHING
            RETURNING key_id)
        SELECT \(Primary.columns) FROM primary_state CROSS JOIN (SELECT count(*) FROM copied) AS n
        """)

    /// Withdraws all keys of an algorithm but one.
    static let withdraw = Statement<Proven<NoRow>, String, String, String>(
        "signing_keys_withdraw",
        """
        WITH \(Primary.expression),
        withdrawn AS (
            UPDATE signing_keys SET withdrawn_at = clock_timestamp(), withdrawn_by = $3
            WHERE algorithm = $1 AND kid <> $2 AND withdrawn_at IS NULL
            RETURNING kid)
        SELECT \(Primary.columns)
        FROM primary_state CROSS JOIN (SELECT count(*) FROM withdrawn) AS n
        """)
}

extension Store {
    /// All signing keys there ever were, the oldest first, and the database's time.
    package func signingKeys() async throws(StoreError) -> (keys: [SigningKeyRecord], at: UnixTime)
    {
        let rows = try await proven(SigningKeys.list)
        var records: [SigningKeyRecord] = []
        for record in rows.compactMap(\.row.record) {
            if records.last?.known.kid == record.known.kid {
                records[records.count - 1].copies.merge(record.copies) { first, _ in first }
            } else {
                records.append(record)
            }
        }
        return (records, rows.first.map { $0.primary.time } ?? UnixTime(seconds: 0))
    }

    /// Adds a key with its private part under each secret; false where a young one is there already.
    package func addSigningKey(
        _ key: SigningKey, copies: [UInt8: [UInt8]], insisting: Bool
    ) async throws(StoreError) -> Bool {
        let ordered = copies.sorted { $0.key < $1.key }
        return try await proven(
            SigningKeys.add, key.kid, key.algorithm.rawValue, key.publicJWK,
            ordered.map { Int16($0.key) }, ordered.map(\.value), insisting
        ).first?.row.isFound == true
    }

    package func copySigningKeys(
        _ copies: [(kid: String, keyID: UInt8, sealed: [UInt8])]
    ) async throws(StoreError) {
        _ = try await proven(
            SigningKeys.copy, copies.map(\.kid), copies.map { Int16($0.keyID) },
            copies.map(\.sealed))
    }

    package func withdrawSigningKeys(
        _ algorithm: SigningAlgorithm, except kid: String, by actor: String
    ) async throws(StoreError) {
        _ = try await proven(SigningKeys.withdraw, algorithm.rawValue, kid, actor)
    }
}
