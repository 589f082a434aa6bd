package import OAuth
import Postgres

/// What people allowed their applications.
enum Consents {
    /// What a person allowed a client, added to what was allowed before.
    static let remember = Statement<Proven<NoRow>, PostgresUUID, PostgresUUID, [String]>(
        "consents_remember",
        """
        WITH \(Primary.expression),
        remembered AS (
            INSERT INTO consents AS c (user_id, client, scope) VALUES ($1, $2, $3)
            ON CONFLICT (user_id, client) DO UPDATE SET
                scope = ARRAY(SELECT DISTINCT unnest(c.scope || excluded.scope)),
                given_at = clock_timestamp()
            RETURNING client)
        SELECT \(Primary.columns)
        FROM primary_state CROSS JOIN (SELECT count(*) FROM remembered) AS n
        """)
}

extension Store {
    package func rememberConsent(
        of user: Identifier, to client: Identifier, scope: Scope,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) {
        _ = try await proven(
            Consents.remember, user.uuid, client.uuid, scope.tokens, deadline: deadline)
    }
}
