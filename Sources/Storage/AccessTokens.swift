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

    static func revoke(
        _ revocations: [TokenRevocation], pool: PostgresPool, authority: any Authority,
        deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [UnixTime] {
        // One entry a row: two callers may end one token at once, for reasons of their own.
        var distinct: [Identifier: TokenRevocation] = [:]
        for revocation in revocations { distinct[revocation.token] = revocation }
        let rows = Array(distinct.values)
        let result = try await Store.untilCertain(
            revoke, rows.map(\.token.uuid), rows.map(\.client.uuid),
            rows.map { PostgresTime($0.expiresAt) }, rows.map(\.cause.reason),
            rows.map(\.cause.actor), pool: pool, authority: authority, deadline: deadline)
        guard let first = result.first else {
            throw .undecodable("\(revoke.name): no row")
        }
        return revocations.map { _ in first.primary.time }
    }
}

extension Store {
    /// Ends one access token; returns the database's time of it.
    package func revoke(
        _ token: AccessToken, of client: Identifier, because cause: Cause,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> UnixTime {
        do {
            return try await tokenRevocations.perform(
                TokenRevocation(
                    token: token.id, client: client, expiresAt: token.expiresAt, cause: cause),
                deadline: deadline)
        } catch {
            throw StoreError(error)
        }
    }
}
