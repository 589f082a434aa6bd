package import OAuth
package import Postgres

/// A login as its owner and operators see it.
package struct SessionRecord: Sendable {
    package let id: Identifier
    package let username: String?
    package let userAgent: String?
    package let address: String?
    package let amr: [String]
    package let createdAt: PostgresTime
    package let authenticatedAt: PostgresTime
    package let lastSeenAt: PostgresTime
    /// The earlier of its two expiries.
    package let expiresAt: PostgresTime
    /// The ids of the clients that hold live grants in it.
    package let clients: [String]
    /// Nil while it is alive.
    package let death: Liveness.CauseOfDeath?
    /// Where it was ended by itself: when, why and by whom.
    package let endedAt: PostgresTime?
    package let endedReason: String?
    package let endedBy: String?
}

/// A grant as its owner and operators see it.
package struct GrantRecord: Sendable {
    package let id: Identifier
    package let clientID: String
    package let clientName: String
    package let session: Identifier
    package let scope: Scope
    package let audience: [String]
    package let isOffline: Bool
    package let createdAt: PostgresTime
    package let lastUsedAt: PostgresTime
    /// From when on it cannot be refreshed.
    package let expiresAt: PostgresTime
    /// Nil while it is alive.
    package let death: Liveness.CauseOfDeath?
}

/// Lists logins and the grants beside them.
enum SessionRecords {
    struct RecordRow: PostgresRow {
        let session: SessionState?
        let user: Liveness.UserState?
        let userAgent: String?
        let address: String?
        let amr: [String]?
        let times: [PostgresTime]
        let clients: [String]?
        let endedAt: PostgresTime?
        let endedReason: String?
        let endedBy: String?

        init(_ cells: inout Cells) throws(PostgresError) {
            session = try States.SessionRow(&cells).state
            user = try States.UserRow(&cells).state
            userAgent = try cells.next()
            address = try cells.next()
            amr = try cells.next()
            let createdAt: PostgresTime? = try cells.next()
            let authenticatedAt: PostgresTime? = try cells.next()
            let lastSeenAt: PostgresTime? = try cells.next()
            let expiresAt: PostgresTime? = try cells.next()
            times = [createdAt, authenticatedAt, lastSeenAt, expiresAt].compactMap { $0 }
            clients = try cells.next()
            endedAt = try cells.next()
            endedReason = try cells.next()
            endedBy = try cells.next()
        }

        func record(at now: UnixTime) -> SessionRecord? {
            guard let session, times.count == 4 else { return nil }
            return SessionRecord(
                id: session.id, username: user?.username, userAgent: userAgent, address: address,
                amr: amr ?? [], createdAt: times[0], authenticatedAt: times[1],
                lastSeenAt: times[2], expiresAt: times[3], clients: clients ?? [],
                death: Liveness.deathOfSession(session, user: user, at: now), endedAt: endedAt,
                endedReason: endedReason, endedBy: endedBy)
        }
    }

    /// One session (`$1`), or those of a user (`$2`), or all, that have not been ended one by one.
    static let list = Statement<Proven<RecordRow>, PostgresUUID?, PostgresUUID?>(
        "session_records_list",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), \(States.sessionColumns), \(States.userColumns),
               s.user_agent, s.address, s.amr, s.created_at, s.authenticated_at, s.last_seen_at,
               least(s.idle_expires_at, s.expires_at),
               ARRAY(SELECT DISTINCT c.client_id
                     FROM grants AS g JOIN clients AS c ON c.id = g.client
                     WHERE g.session = s.id AND \(Alive.refreshableGrant("g"))
                       AND \(Alive.client("c", epoch: "g.client_epoch")) ORDER BY c.client_id),
               s.revoked_at, s.revoked_reason, s.revoked_by
        FROM primary_state
        LEFT JOIN sessions AS s ON
            ($1::uuid IS NULL AND s.revoked_at IS NULL OR s.id = $1)
            AND ($2::uuid IS NULL OR s.user_id = $2)
        LEFT JOIN users AS u ON u.id = s.user_id
        ORDER BY s.last_seen_at DESC, s.id
        """)

    struct GrantRow: PostgresRow {
        let grant: GrantState?
        let client: Liveness.ClientState?
        let session: SessionState?
        let user: Liveness.UserState?
        let clientName: String?
        let times: [PostgresTime]

        init(_ cells: inout Cells) throws(PostgresError) {
            grant = try States.GrantRow(&cells).state
            client = try States.ClientRow(&cells).state
            session = try States.SessionRow(&cells).state
            user = try States.UserRow(&cells).state
            clientName = try cells.next()
            let createdAt: PostgresTime? = try cells.next()
            let lastUsedAt: PostgresTime? = try cells.next()
            let expiresAt: PostgresTime? = try cells.next()
            times = [createdAt, lastUsedAt, expiresAt].compactMap { $0 }
        }

        func record(at now: UnixTime) -> GrantRecord? {
            let state = Liveness.State(
                readAt: now, client: client, grant: grant, session: session, user: user)
            guard let grant, times.count == 3 else { return nil }
            return GrantRecord(
                id: grant.id, clientID: client?.clientID ?? "", clientName: clientName ?? "",
                session: grant.session, scope: grant.scope, audience: grant.audience,
                isOffline: grant.isOffline, createdAt: times[0], lastUsedAt: times[1],
                expiresAt: times[2], death: Liveness.deathOfRefreshing(in: state))
        }
    }

    /// What a `GrantRow` is made of: `grants AS g` with its client, session and user.
    static let grantColumns = """
        \(States.grantColumns), \(States.clientColumns), \(States.sessionColumns),
        \(States.userColumns), c.name, g.created_at, g.last_used_at,
        least(g.idle_expires_at, g.expires_at)
        """

    /// The grants of one session (`$1`), or those of a user (`$2`) that outlive their sessions.
    static let grants = Statement<Proven<GrantRow>, PostgresUUID?, PostgresUUID?>(
        "session_records_grants",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), \(grantColumns)
        FROM primary_state
        LEFT JOIN grants AS g ON g.session = $1 OR g.user_id = $2 AND g.is_offline
        LEFT JOIN clients AS c ON c.id = g.client
        LEFT JOIN sessions AS s ON s.id = g.session
        LEFT JOIN users AS u ON u.id = g.user_id
        ORDER BY g.created_at DESC, g.id
        """)
}

extension Store {
    /// Live logins, those of one user or of all, the last used first.
    package func sessionRecords(
        of user: Identifier? = nil
    ) async throws(StoreError) -> [SessionRecord] {
        try await proven(SessionRecords.list, nil, user?.uuid)
            .compactMap { $0.row.record(at: $0.primary.time) }.filter { $0.death == nil }
    }

    /// One login, also one that is over.
    package func sessionRecord(_ id: Identifier) async throws(StoreError) -> SessionRecord {
        let rows = try await proven(SessionRecords.list, id.uuid, nil)
        guard let first = rows.first, let record = first.row.record(at: first.primary.time) else {
            throw .missing(.session(id))
        }
        return record
    }

    /// The grants that were made in one login, alive or not, the newest first.
    package func grantRecords(
        inSession id: Identifier
    ) async throws(StoreError) -> [GrantRecord] {
        try await proven(SessionRecords.grants, id.uuid, nil)
            .compactMap { $0.row.record(at: $0.primary.time) }
    }

    /// The live grants of a user that outlive their sessions: apps with access.
    package func offlineGrantRecords(
        of user: Identifier
    ) async throws(StoreError) -> [GrantRecord] {
        try await proven(SessionRecords.grants, nil, user.uuid)
            .compactMap { $0.row.record(at: $0.primary.time) }.filter { $0.death == nil }
    }
}
