package import OAuth
import Postgres

/// What a code is made for.
package struct CodeIssue: Sendable {
    package let id: Identifier
    package let request: AuthorizationRequest
    package let login: SessionUser

    package init(id: Identifier, request: AuthorizationRequest, login: SessionUser) {
        self.id = id
        self.request = request
        self.login = login
    }
}

/// The grant that a code is redeemed for.
package struct GrantIssue: Sendable {
    package let id: Identifier
    package let isOffline: Bool
    /// The secret that its first refresh token is under.
    package let keyID: UInt8
    package let idleSeconds: Int64
    package let maximumSeconds: Int64

    package init(
        id: Identifier, isOffline: Bool, keyID: UInt8, idleSeconds: Int64, maximumSeconds: Int64
    ) {
        self.id = id
        self.isOffline = isOffline
        self.keyID = keyID
        self.idleSeconds = idleSeconds
        self.maximumSeconds = maximumSeconds
    }
}

/// Authorization codes: issued, and redeemed once.
enum AuthorizationCodes {
    /// Epochs are carried from the session and the client that were read, never read again; and so
    /// is the time of the login.
    static let issue = Statement<
        Proven<NoRow>, PostgresUUID, PostgresUUID, Int64, PostgresUUID, Int64, PostgresUUID,
        [String], [String], String, Bool, [UInt8], String?, Int64, PostgresTime
    >(
        "authorization_codes_issue",
        """
        WITH \(Primary.expression),
        issued AS (
            INSERT INTO authorization_codes (
                id, client, client_epoch, user_id, user_epoch, session, scope, audiences,
                redirect_uri, redirect_uri_sent, code_challenge, nonce, expires_at,
                authenticated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
                    \(Primary.time) + make_interval(secs => $13::bigint), $14)
            -- Our own repeat, whose first outcome is unknown: its answer rests on a commit too.
            ON CONFLICT (id) DO UPDATE SET id = excluded.id
            RETURNING id)
        SELECT \(Primary.columns) FROM primary_state CROSS JOIN (SELECT count(*) FROM issued) AS n
        """)

    struct FoundRow: PostgresRow {
        let code: CodeState?
        let isSecretRetired: Bool
        let client: Liveness.ClientState?
        let session: SessionState?
        let user: Liveness.UserState?

        init(_ cells: inout Cells) throws(PostgresError) {
            let clientRow: PostgresUUID? = try cells.next()
            let clientEpoch: Int64? = try cells.next()
            let userEpoch: Int64? = try cells.next()
            let sessionRow: PostgresUUID? = try cells.next()
            let scope: [String]? = try cells.next()
            let audience: [String]? = try cells.next()
            let redirectURI: String? = try cells.next()
            let isRedirectURISent: Bool? = try cells.next()
            let challenge: [UInt8]? = try cells.next()
            let nonce: String? = try cells.next()
            let expiresAt: PostgresTime? = try cells.next()
            let redeemedAt: PostgresTime? = try cells.next()
            let grant: PostgresUUID? = try cells.next()
            let authenticatedAt: PostgresTime? = try cells.next()
            isSecretRetired = try cells.next()
            client = try States.ClientRow(&cells).state
            session = try States.SessionRow(&cells).state
            user = try States.UserRow(&cells).state
            var redemption: CodeState.Redemption?
            if let redeemedAt, let grant {
                redemption = CodeState.Redemption(
                    at: UnixTime(redeemedAt), grant: Identifier(grant))
            }
            code =
                if let clientRow, let clientEpoch, let userEpoch, let sessionRow, let scope,
                    let audience, let redirectURI, let isRedirectURISent, let challenge,
                    let expiresAt
                {
                    CodeState(
                        client: Identifier(clientRow), clientEpoch: clientEpoch,
                        userEpoch: userEpoch, session: Identifier(sessionRow),
                        scope: Scope(stored: scope), audience: audience,
                        redirectURI: redirectURI, isRedirectURISent: isRedirectURISent,
                        challenge: CodeChallenge(hash: challenge), nonce: nonce,
                        authenticatedAt: authenticatedAt.map { UnixTime($0) },
                        expiresAt: UnixTime(expiresAt), redemption: redemption)
                } else { nil }
        }
    }

    static let find = Statement<Proven<FoundRow>, PostgresUUID, Int16>(
        "authorization_codes_find",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), a.client, a.client_epoch, a.user_epoch, a.session, a.scope,
               a.audiences, a.redirect_uri, a.redirect_uri_sent, a.code_challenge, a.nonce,
               a.expires_at, a.redeemed_at, a.grant_id, a.authenticated_at,
               \(States.isSecretRetired),
               \(States.clientColumns), \(States.sessionColumns), \(States.userColumns)
        FROM primary_state
        LEFT JOIN authorization_codes AS a ON a.id = $1
        LEFT JOIN secrets ON secrets.key_id = $2
        LEFT JOIN clients AS c ON c.id = a.client
        LEFT JOIN sessions AS s ON s.id = a.session
        LEFT JOIN users AS u ON u.id = a.user_id
        """)

    struct RedeemedRow: PostgresRow {
        let isRedeemed: Bool

        init(_ cells: inout Cells) throws(PostgresError) {
            isRedeemed = try cells.next()
        }
    }

    /// Redeems a code for a grant, if nobody has and its login has not ended, and ends the oldest
    /// grants beyond the cap; those that are made at the same time are not counted yet. Done
    /// again after a lost reply, it finds its own grant's id in the code's row.
    static let redeem = Statement<
        Proven<RedeemedRow>, PostgresUUID, PostgresUUID, Bool, Int16, Int64, Int64, Int64
    >(
        "authorization_codes_redeem",
        """
        WITH \(Primary.expression),
        -- As it is once all others are through, and not as it was when the statement began.
        code AS MATERIALIZED (
            SELECT id, grant_id, session FROM authorization_codes WHERE id = $1 FOR UPDATE),
        login AS MATERIALIZED (
            SELECT s.id FROM sessions AS s JOIN code ON s.id = code.session
            WHERE s.revoked_at IS NULL FOR SHARE OF s),
        redeemed AS (
            UPDATE authorization_codes AS a SET redeemed_at = \(Primary.time), grant_id = $2
            FROM code JOIN login ON login.id = code.session
            WHERE a.id = code.id AND code.grant_id IS NULL AND a.expires_at > \(Primary.time)
            RETURNING a.client, a.client_epoch, a.user_id, a.user_epoch, a.session, a.scope,
                      a.audiences, a.authenticated_at),
        made AS (
            INSERT INTO grants (
                id, client, client_epoch, user_id, user_epoch, session, is_offline, scope,
                audiences, authenticated_at, key_id, created_at, rotated_at, last_used_at,
                idle_expires_at, expires_at)
            SELECT $2, client, client_epoch, user_id, user_epoch, session, $3, scope, audiences,
                   authenticated_at, $4, \(Primary.time), \(Primary.time), \(Primary.time),
                   \(Primary.time) + make_interval(secs => $5::bigint),
                   \(Primary.time) + make_interval(secs => $6::bigint)
            FROM redeemed
            RETURNING id),
        surplus AS MATERIALIZED (
            SELECT g.id FROM grants AS g JOIN redeemed USING (session, client)
            WHERE \(Alive.grant("g"))
            ORDER BY g.created_at DESC, g.id DESC OFFSET $7::bigint),
        locked AS MATERIALIZED (
            SELECT g.id FROM grants AS g JOIN surplus USING (id) ORDER BY g.id FOR UPDATE OF g),
        ended AS (
            UPDATE grants SET
                revoked_at = \(Primary.time), revoked_reason = 'too many grants in one session',
                revoked_by = 'doornail', revocations = revocations + 1
            FROM locked WHERE grants.id = locked.id AND grants.revoked_at IS NULL
            RETURNING grants.id)
        SELECT \(Primary.columns),
               EXISTS (SELECT FROM made) OR EXISTS (SELECT FROM code WHERE grant_id = $2)
        FROM primary_state CROSS JOIN (SELECT count(*) FROM ended) AS n
        """)
}

extension Store {
    package func issueCode(
        _ issue: CodeIssue, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) {
        let (request, session) = (issue.request, issue.login.session)
        _ = try await proven(
            AuthorizationCodes.issue, issue.id.uuid, request.client.id.uuid, request.client.epoch,
            session.user.uuid, session.userEpoch, session.id.uuid, request.scope.tokens,
            request.audience, request.address.redirectURI.text, request.isRedirectURISent,
            request.challenge.hash, request.nonce, Limits.codeSeconds,
            PostgresTime(session.authenticatedAt), deadline: deadline)
    }

    /// Reads a code's row with all that it hangs on.
    package func code(
        _ code: AuthorizationCode, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> (code: CodeState?, state: Liveness.State) {
        let rows = try await proven(
            AuthorizationCodes.find, code.id.uuid, Int16(code.keyID), deadline: deadline)
        guard let first = rows.first else { throw .broken("authorization_codes_find: no row") }
        let row = first.row
        return (
            row.code,
            Liveness.State(
                readAt: first.primary.time, isSecretRetired: row.isSecretRetired,
                client: row.client, session: row.session, user: row.user)
        )
    }

    /// Redeems a code for a grant; false where another was quicker, or its time was over.
    package func redeem(
        _ code: AuthorizationCode, for grant: GrantIssue,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> Bool {
        try await proven(
            AuthorizationCodes.redeem, code.id.uuid, grant.id.uuid, grant.isOffline,
            Int16(grant.keyID), grant.idleSeconds, grant.maximumSeconds,
            Int64(Limits.grantsPerSession - 1), deadline: deadline
        ).first?.row.isRedeemed == true
    }
}
