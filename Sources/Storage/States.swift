import OAuth
import Postgres

/// The columns that liveness is decided by, each set written and read in one place. All are null
/// where a row is missing.
enum States {
    /// Of `secrets`. Where a key id has no row, the database lost what it knew.
    static let isSecretRetired = "secrets.key_id IS NULL OR secrets.retired_at IS NOT NULL"
    /// Of `clients AS c`.
    static let clientColumns = "c.client_id, c.epoch, c.disabled_at IS NOT NULL"
    /// Of `users AS u`.
    static let userColumns = "u.id, u.username, u.epoch, u.disabled_at IS NOT NULL"
    /// Of `sessions AS s`.
    static let sessionColumns = """
        s.id, s.user_id, s.user_epoch, s.authenticated_at, s.last_seen_at, s.idle_expires_at,
        s.expires_at, s.revoked_at IS NOT NULL, s.amr
        """
    /// Of `grants AS g`.
    static let grantColumns = """
        g.id, g.client, g.client_epoch, g.user_id, g.user_epoch, g.session, g.is_offline, g.scope,
        g.audiences, g.generation, g.rotated_at, g.idle_expires_at, g.expires_at,
        g.revoked_at IS NOT NULL, g.authenticated_at
        """

    struct ClientRow: PostgresRow {
        let state: Liveness.ClientState?

        init(_ cells: inout Cells) throws(PostgresError) {
            let clientID: String? = try cells.next()
            let epoch: Int64? = try cells.next()
            let isDisabled: Bool? = try cells.next()
            state =
                if let clientID, let epoch, let isDisabled {
                    Liveness.ClientState(clientID: clientID, epoch: epoch, isDisabled: isDisabled)
                } else { nil }
        }
    }

    struct UserRow: PostgresRow {
        let state: Liveness.UserState?

        init(_ cells: inout Cells) throws(PostgresError) {
            let id: PostgresUUID? = try cells.next()
            let username: String? = try cells.next()
            let epoch: Int64? = try cells.next()
            let isDisabled: Bool? = try cells.next()
            state =
                if let id, let username, let epoch, let isDisabled {
                    Liveness.UserState(
                        id: Identifier(id), username: username, epoch: epoch,
                        isDisabled: isDisabled)
                } else { nil }
        }
    }

    struct SessionRow: PostgresRow {
        let state: SessionState?

        init(_ cells: inout Cells) throws(PostgresError) {
            let id: PostgresUUID? = try cells.next()
            let user: PostgresUUID? = try cells.next()
            let userEpoch: Int64? = try cells.next()
            let authenticatedAt: PostgresTime? = try cells.next()
            let lastSeenAt: PostgresTime? = try cells.next()
            let idleExpiresAt: PostgresTime? = try cells.next()
            let expiresAt: PostgresTime? = try cells.next()
            let isRevoked: Bool? = try cells.next()
            let amr: [String]? = try cells.next()
            state =
                if let id, let user, let userEpoch, let authenticatedAt, let lastSeenAt,
                    let idleExpiresAt, let expiresAt, let isRevoked, let amr
                {
                    SessionState(
                        id: Identifier(id), user: Identifier(user), userEpoch: userEpoch,
                        authenticatedAt: UnixTime(authenticatedAt),
                        lastSeenAt: UnixTime(lastSeenAt), idleExpiresAt: UnixTime(idleExpiresAt),
                        expiresAt: UnixTime(expiresAt), isRevoked: isRevoked, amr: amr)
                } else { nil }
        }
    }

    struct GrantRow: PostgresRow {
        let state: GrantState?

        init(_ cells: inout Cells) throws(PostgresError) {
            let id: PostgresUUID? = try cells.next()
            let client: PostgresUUID? = try cells.next()
            let clientEpoch: Int64? = try cells.next()
            let user: PostgresUUID? = try cells.next()
            let userEpoch: Int64? = try cells.next()
            let session: PostgresUUID? = try cells.next()
            let isOffline: Bool? = try cells.next()
            let scope: [String]? = try cells.next()
            let audience: [String]? = try cells.next()
            let generation: Int64? = try cells.next()
            let rotatedAt: PostgresTime? = try cells.next()
            let idleExpiresAt: PostgresTime? = try cells.next()
            let expiresAt: PostgresTime? = try cells.next()
            let isRevoked: Bool? = try cells.next()
            let authenticatedAt: PostgresTime? = try cells.next()
            state =
                if let id, let client, let clientEpoch, let user, let userEpoch, let session,
                    let isOffline, let scope, let audience, let generation, let rotatedAt,
                    let idleExpiresAt, let expiresAt, let isRevoked
                {
                    GrantState(
                        id: Identifier(id), client: Identifier(client), clientEpoch: clientEpoch,
                        user: Identifier(user), userEpoch: userEpoch,
                        session: Identifier(session), isOffline: isOffline,
                        scope: Scope(stored: scope), audience: audience, generation: generation,
                        rotatedAt: UnixTime(rotatedAt), idleExpiresAt: UnixTime(idleExpiresAt),
                        expiresAt: UnixTime(expiresAt), isRevoked: isRevoked,
                        authenticatedAt: authenticatedAt.map { UnixTime($0) })
                } else { nil }
        }
    }
}
