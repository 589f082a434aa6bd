package import OAuth
import Postgres

/// What a token's liveness is looked up by.
struct LivenessKey: Hashable, Sendable {
    let token: Identifier
    let client: Identifier
    let keyID: UInt8
}

/// An access token that is to be ended.
struct TokenRevocation: Hashable, Sendable {
    let token: Identifier
    let client: Identifier
    let expiresAt: UnixTime
    let cause: Cause
}

/// Reads what access tokens hang on, and ends single ones.
enum AccessTokens {
    struct LivenessRow: PostgresRow {
        let isTokenRevoked: Bool
        let isSecretRetired: Bool
        let client: Liveness.ClientState?

        init(_ cells: inout Cells) throws(PostgresError) {
            isTokenRevoked = try cells.next()
            isSecretRetired = try cells.next()
            let clientID: String? = try cells.next()
            let epoch: Int64? = try cells.next()
            let isDisabled: Bool? = try cells.next()
            client =
                if let clientID, let epoch, let isDisabled {
                    Liveness.ClientState(clientID: clientID, epoch: epoch, isDisabled: isDisabled)
                } else { nil }
        }
    }

    /// One row for each key, in order. A key id without a row is a secret that state was lost of.
    static let liveness = Statement<
        Proven<LivenessRow>, [PostgresUUID], [PostgresUUID], [Int16]
    >(
        "access_tokens_liveness",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns),
               revoked.id IS NOT NULL,
               secrets.key_id IS NULL OR secrets.retired_at IS NOT NULL,
               clients.client_id, clients.epoch, clients.disabled_at IS NOT NULL
        FROM primary_state
        CROSS JOIN unnest($1::uuid[], $2::uuid[], $3::smallint[])
            WITH ORDINALITY AS asked (token, client, key_id, position)
        LEFT JOIN revoked_tokens AS revoked ON revoked.id = asked.token
        LEFT JOIN clients ON clients.id = asked.client
        LEFT JOIN secrets ON secrets.key_id = asked.key_id
        ORDER BY asked.position
        """)

    static func read(
        _ keys: [LivenessKey], pool: PostgresPool, primary: PrimaryGuard,
        deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [Liveness.State] {
        let rows = try await pool.execute(
            liveness, keys.map(\.token.uuid), keys.map(\.client.uuid),
            keys.map { Int16($0.keyID) }, deadline: deadline)
        guard rows.count == keys.count, let first = rows.first else {
            throw .undecodable("\(liveness.name): \(rows.count) rows for \(keys.count) tokens")
        }
        try Store.check(first.primary, by: primary)
        return rows.map { proven in
            Liveness.State(
                readAt: proven.primary.time,
                isTokenRevoked: proven.row.isTokenRevoked,
                isSecretRetired: proven.row.isSecretRetired,
                client: proven.row.client)
        }
    }

    /// Ends tokens in one commit, in the order of their ids; one that is dead is written again.
    static let revoke = Statement<
        Proven<NoRow>, [PostgresUUID], [PostgresUUID], [PostgresTime], [String], [String]
    >(
        "access_tokens_revoke",
        """
        WITH \(Primary.expression),
        ended AS (
            INSERT INTO revoked_tokens AS r (id, client, expires_at, reason, actor)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[])
            ORDER BY 1
            ON CONFLICT (id) DO UPDATE
                SET times = r.times + 1, reason = excluded.reason, actor = excluded.actor
            RETURNING id)
        SELECT \(Primary.columns) FROM primary_state CROSS JOIN (SELECT count(*) FROM ended) AS n
        """)

    static func revoke(
        _ revocations: [TokenRevocation], pool: PostgresPool, primary: PrimaryGuard,
        deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [UnixTime] {
        // One entry a row: two callers may end one token at once, for reasons of their own.
        var distinct: [Identifier: TokenRevocation] = [:]
        for revocation in revocations { distinct[revocation.token] = revocation }
        let rows = Array(distinct.values)
        let result = try await Store.untilCertain(
            revoke, rows.map(\.token.uuid), rows.map(\.client.uuid),
            rows.map { PostgresTime($0.expiresAt) }, rows.map(\.cause.reason),
            rows.map(\.cause.actor), pool: pool, primary: primary, deadline: deadline)
        guard let first = result.first else {
            throw .undecodable("\(revoke.name): no row")
        }
        return revocations.map { _ in first.primary.time }
    }
}

extension Store {
    /// Reads what a token hangs on, with proof of who answered.
    package func liveness(
        of token: AccessToken, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> Liveness.State {
        do {
            return try await livenessReads.perform(
                LivenessKey(token: token.id, client: token.client, keyID: token.keyID),
                deadline: deadline)
        } catch {
            throw StoreError(error)
        }
    }

    /// Ends one access token; returns the database's time of it.
    package func revoke(
        _ token: AccessToken, because cause: Cause,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> UnixTime {
        do {
            return try await tokenRevocations.perform(
                TokenRevocation(
                    token: token.id, client: token.client, expiresAt: token.expiresAt, cause: cause),
                deadline: deadline)
        } catch {
            throw StoreError(error)
        }
    }
}
