package import OAuth
import Postgres

/// An access token that is to be ended.
struct TokenRevocation: Hashable, Sendable {
    let token: Identifier
    let client: Identifier
    let expiresAt: UnixTime
    let cause: Cause
}

/// Ends single access tokens.
enum AccessTokens {
    /// Ends tokens in one commit, in the order of their ids; one that is dead is written again.
    static let revoke = Statement<
        Proven<NoRow>, [PostgresUUID], [PostgresUUID], [PostgresTime], [String], [String]
    >(
        "access_tokens_revoke",
        """
        WITH \(Primary.expression),
        ended AS (
            INSERT INTO revoked_tokens AS r (id, client, expires_at, reason, actor)
            SELECT * FROM \(Store.unnest("uuid", "uuid", "timestamptz", "text", "text"))
            ORDER BY 1
            ON CONFLICT (id) DO UPDATE
                SET times = r.times + 1, reason = excluded.reason, actor = excluded.actor,
                    expires_at = greatest(r.expires_at, excluded.expires_at)
            RETURNING id)
        SELECT \(Primary.columns) FROM primary_state CROSS JOIN (SELECT count(*) FROM ended) AS n
        """)
}

extension TokenRevocation: BatchedRequest {
    static let batch = "revoke"

    static func perform(
        _ requests: [TokenRevocation], on database: ProvenPool,
        by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [UnixTime] {
        // One entry a row: two callers may end one token at the same time, for reasons of their own.
        var distinct: [Identifier: TokenRevocation] = [:]
        for request in requests { distinct[request.token] = request }
        let ended = Array(distinct.values)
        let rows = try await database.committedRows(
            AccessTokens.revoke, ended.map(\.token.uuid), ended.map(\.client.uuid),
            ended.map { PostgresTime($0.expiresAt) }, ended.map(\.cause.reason),
            ended.map(\.cause.actor), by: deadline
        ).counted(1, of: AccessTokens.revoke)
        return requests.flatMap { _ in rows.map(\.primary.time) }
    }
}

extension Store {
    /// Ends one access token; returns the database's time of it.
    package func revoke(
        _ token: AccessToken, of client: Identifier, because cause: Cause,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> UnixTime {
        try await batched(
            TokenRevocation(
                token: token.id, client: client, expiresAt: token.expiresAt, cause: cause),
            by: deadline)
    }
}
