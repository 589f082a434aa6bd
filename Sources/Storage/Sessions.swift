package import OAuth
import Postgres

/// A browser's session as it was read, with what its person allowed one client.
package struct SessionRead: Sendable {
    package let session: SessionState?
    package let secrets: SessionUser.Secrets?
    package let user: Liveness.UserState?
    /// The user's display name.
    package let name: String?
    /// What the user allowed the client that was asked about.
    package let consent: Scope?
    package let readAt: UnixTime
}

/// Where a login or a use of it comes from.
package struct Origin: Sendable {
    package let userAgent: String?
    package let address: String?

    package init(userAgent: String?, address: String?) {
        self.userAgent = userAgent
        self.address = address
    }
}

/// How long a login lasts.
package struct SessionLifetime: Sendable {
    package let idleSeconds: Int64
    package let maximumSeconds: Int64

    package init(idleSeconds: Int64, maximumSeconds: Int64) {
        self.idleSeconds = idleSeconds
        self.maximumSeconds = maximumSeconds
    }
}

/// What became of a login that was to begin.
package enum SessionBeginning: Sendable, Equatable {
    case begun
    /// The person has as many as may be, all of them in use; this one was not used for the longest.
    case full(oldest: Identifier)
}

/// Logins: begun, renewed, used and ended by one statement each.
enum Sessions {
    struct BeginningRow: PostgresRow {
        let beginning: SessionBeginning

        init(_ cells: inout Cells) throws(PostgresError) {
            let oldest: PostgresUUID? = try cells.next()
            beginning = oldest.map { .full(oldest: Identifier($0)) } ?? .begun
        }
    }

    struct FoundRow: PostgresRow {
        let session: SessionState?
        let secrets: SessionUser.Secrets?
        let user: Liveness.UserState?
        let name: String?
        let consent: [String]?

        init(_ cells: inout Cells) throws(PostgresError) {
            session = try States.SessionRow(&cells).state
            let present: [UInt8]? = try cells.next()
            let previous: [UInt8]? = try cells.next()
            secrets = present.map { SessionUser.Secrets(present: $0, previous: previous) }
            user = try States.UserRow(&cells).state
            name = try cells.next()
            consent = try cells.next()
        }
    }

    static let find = Statement<Proven<FoundRow>, PostgresUUID, PostgresUUID>(
        "sessions_find",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), \(States.sessionColumns), s.secret_hash,
               s.previous_secret_hash, \(States.userColumns), u.name, consents.scope
        FROM primary_state
        LEFT JOIN sessions AS s ON s.id = $1
        LEFT JOIN users AS u ON u.id = s.user_id
        LEFT JOIN consents ON consents.user_id = s.user_id AND consents.client = $2
        """)

    /// A new login, under the epoch that was read with the password hash: where it has changed since,
    /// the session is dead from the first. Where it is one too many, the least recently used end, if they
    /// rested long enough; else it does not begin (`migrations/0015_logins.sql`).
    static let begin = Statement<
        Proven<BeginningRow>, PostgresUUID, PostgresUUID, Int64, [UInt8], [String], String?,
        String?, Int64, Int64, Int64, Int64
    >(
        "sessions_begin",
        """
        WITH \(Primary.expression),
        stated AS MATERIALIZED (
            SELECT set_config('doornail.most_logins', $10::bigint::text, true) AS most,
                   set_config('doornail.rest_seconds', $11::bigint::text, true) AS rest,
                   set_config('doornail.in_the_way', '', true) AS nobody),
        begun AS (
            INSERT INTO sessions (
                id, user_id, user_epoch, secret_hash, amr, user_agent, address, created_at,
                authenticated_at, last_seen_at, idle_expires_at, expires_at)
            SELECT $1, $2, $3, $4, $5, $6, $7, \(Primary.time), \(Primary.time), \(Primary.time),
                   \(Primary.time) + make_interval(secs => $8::bigint),
                   \(Primary.time) + make_interval(secs => $9::bigint)
            FROM stated WHERE most IS NOT NULL AND rest IS NOT NULL AND nobody IS NOT NULL
            -- Our own repeat, whose first outcome is unknown: its answer rests on a commit too.
            ON CONFLICT (id) DO UPDATE SET id = excluded.id
            RETURNING id)
        SELECT \(Primary.columns),
               nullif(current_setting('doornail.in_the_way', true), '')::uuid
        FROM primary_state CROSS JOIN (SELECT count(*) FROM begun) AS n
        """)

    /// The same person's next login in the same browser: another secret, the same session, if that
    /// is alive and rests on the same epoch as the login. The browser's present cookie (`$10`) holds
    /// until it uses the new one.
    static let renew = Statement<
        Proven<ClientRecords.FoundRow>, PostgresUUID, PostgresUUID, Int64, [UInt8], [String],
        String?, String?, Int64, Int64, [UInt8]
    >(
        "sessions_renew",
        """
        WITH \(Primary.expression),
        renewed AS (
            UPDATE sessions SET
                secret_hash = $4, previous_secret_hash = $10, amr = $5, user_agent = $6, address = $7,
                authenticated_at = \(Primary.time), last_seen_at = \(Primary.time),
                idle_expires_at = \(Primary.time) + make_interval(secs => $8::bigint),
                expires_at = \(Primary.time) + make_interval(secs => $9::bigint)
            WHERE id = $1 AND user_id = $2 AND user_epoch = $3 AND \(Alive.session("sessions"))
            RETURNING id)
        SELECT \(Primary.columns), EXISTS (SELECT FROM renewed) FROM primary_state
        """)

    /// Writes a use down, which puts the idle expiry off. A session that is over stays so.
    ///
    /// The newest cookie ends the one before it, which waited for a lost answer. A request that read
    /// the newest one (`$5`) before another login made the next ends nothing.
    static let use = Statement<
        Proven<NoRow>, PostgresUUID, Int64, String?, String?, [UInt8]?
    >(
        "sessions_use",
        """
        WITH \(Primary.expression),
        used AS (
            UPDATE sessions SET
                last_seen_at = \(Primary.time),
                idle_expires_at = \(Primary.time) + make_interval(secs => $2::bigint),
                user_agent = coalesce($3, user_agent), address = coalesce($4, address),
                previous_secret_hash = CASE WHEN secret_hash = $5 THEN NULL
                                            ELSE previous_secret_hash END
            WHERE id = $1 AND \(Alive.session("sessions"))
            RETURNING id)
        SELECT \(Primary.columns) FROM primary_state CROSS JOIN (SELECT count(*) FROM used) AS n
        """)

    /// Ends a login, and with it all that hangs on it; again where it has ended.
    static let revoke = Statement<Proven<ClientRecords.FoundRow>, PostgresUUID, String, String>(
        "sessions_revoke",
        """
        WITH \(Primary.expression),
        ended AS (
            UPDATE sessions SET
                revoked_at = coalesce(revoked_at, \(Primary.time)), revoked_reason = $2,
                revoked_by = $3, revocations = revocations + 1
            WHERE id = $1
            RETURNING id)
        SELECT \(Primary.columns), EXISTS (SELECT FROM ended) FROM primary_state
        """)
}

extension Store {
    /// Reads the session that a cookie names, and what its person allowed a client.
    package func session(
        _ id: Identifier, consentTo client: Identifier? = nil,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> SessionRead {
        let rows = try await proven(
            Sessions.find, id.uuid, (client ?? Identifier(high: 0, low: 0)).uuid,
            deadline: deadline)
        guard let first = rows.first else { throw .broken("sessions_find: no row") }
        return SessionRead(
            session: first.row.session, secrets: first.row.secrets, user: first.row.user,
            name: first.row.name, consent: first.row.consent.map(Scope.init(stored:)),
            readAt: first.primary.time)
    }

    /// Begins a session with a login, if there is room for it.
    package func beginSession(
        _ cookie: SessionCookie, of login: CompletedLogin, from origin: Origin,
        lasting lifetime: SessionLifetime, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> SessionBeginning {
        // What was noted of a use may be older than the use.
        let precision = SessionState.precisionSeconds(idleSeconds: lifetime.idleSeconds)
        let rows = try await proven(
            Sessions.begin, cookie.session.uuid, login.id.uuid, login.epoch, cookie.secretHash,
            login.factors.amr, origin.userAgent, origin.address, lifetime.idleSeconds,
            lifetime.maximumSeconds, Int64(Limits.sessionsPerUser),
            Limits.sessionRestSeconds + precision, deadline: deadline)
        guard let first = rows.first else { throw .broken("sessions_begin: no row") }
        return first.row.beginning
    }

    /// Gives a session a new secret for another login of the same person; false where the session
    /// is over, or not that person's under the same epoch.
    package func renewSession(
        _ cookie: SessionCookie, replacing present: SessionCookie, of login: CompletedLogin,
        from origin: Origin, lasting lifetime: SessionLifetime,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> Bool {
        try await proven(
            Sessions.renew, cookie.session.uuid, login.id.uuid, login.epoch, cookie.secretHash,
            login.factors.amr, origin.userAgent, origin.address, lifetime.idleSeconds,
            lifetime.maximumSeconds, present.secretHash, deadline: deadline
        ).first?.row.isFound == true
    }

    package func useSession(
        _ id: Identifier, from origin: Origin?, idleSeconds: Int64,
        with cookie: SessionCookie? = nil, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) {
        _ = try await proven(
            Sessions.use, id.uuid, idleSeconds, origin?.userAgent, origin?.address,
            cookie?.secretHash, deadline: deadline)
    }

    /// Ends a login; `missing` where there is none of that id.
    package func revokeSession(
        _ id: Identifier, because cause: Cause,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> UnixTime {
        let rows = try await proven(
            Sessions.revoke, id.uuid, cause.reason, cause.actor, deadline: deadline)
        guard let first = rows.first, first.row.isFound else {
            throw .missing(.session(id))
        }
        return first.primary.time
    }
}
