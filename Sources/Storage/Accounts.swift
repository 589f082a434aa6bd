package import OAuth
import Postgres

/// A login as its person sees it.
package struct AccountDevice: Sendable {
    package let session: SessionState
    /// The browser's words for itself.
    package let userAgent: String?
    /// Where it was last used.
    package let address: String?
    /// The names of the apps whose access ends with it.
    package let apps: [String]
    /// Nil while it is alive.
    package let death: Liveness.CauseOfDeath?
}

/// A person's logins that are alive, and the apps beside them, the newest of each.
package struct Account: Sendable {
    /// The last used first; with one that was asked for, also where that has ended.
    package let devices: [AccountDevice]
    /// How many logins there are beyond these.
    package let moreDevices: Int
    /// The grants that end with the login of this device.
    package let deviceApps: [GrantRecord]
    /// The grants that outlive their sessions.
    package let apps: [GrantRecord]
    /// How many of these there are beyond those.
    package let moreApps: Int
    /// The grant that was asked for, also where it has ended.
    package let asked: GrantRecord?
    package let readAt: UnixTime
}

/// What a person sees of the own logins, and does with all of them together.
enum Accounts {
    struct DeviceRow: PostgresRow {
        /// How many logins are alive.
        let total: Int64?
        let session: SessionState?
        let user: Liveness.UserState?
        let userAgent: String?
        let address: String?
        let apps: [String]?

        init(_ cells: inout Cells) throws(PostgresError) {
            total = try cells.next()
            session = try States.SessionRow(&cells).state
            user = try States.UserRow(&cells).state
            userAgent = try cells.next()
            address = try cells.next()
            apps = try cells.next()
        }

        func device(at now: UnixTime) -> AccountDevice? {
            guard let session else { return nil }
            return AccountDevice(
                session: session, userAgent: userAgent, address: address, apps: apps ?? [],
                death: Liveness.deathOfSession(session, user: user, at: now))
        }
    }

    /// The logins of a user (`$1`) that are alive: one of them (`$2`) first, then the last used, up
    /// to a number (`$4`); and one (`$3`) that perhaps has ended.
    static let devices = Statement<
        Proven<DeviceRow>, PostgresUUID, PostgresUUID?, PostgresUUID?, Int64
    >(
        "accounts_devices",
        """
        WITH \(Primary.expression),
        live AS MATERIALIZED (
            SELECT s.id, count(*) OVER () AS total
            FROM sessions AS s JOIN users AS u ON u.id = s.user_id
            WHERE s.user_id = $1 AND \(Alive.session("s"))
              AND \(Alive.user("u", epoch: "s.user_epoch"))
            ORDER BY s.id = $2 DESC, s.last_seen_at DESC, s.id LIMIT $4),
        shown AS MATERIALIZED (
            SELECT id, total FROM live
            UNION ALL SELECT $3, NULL WHERE NOT EXISTS (SELECT FROM live WHERE id = $3))
        SELECT \(Primary.columns), shown.total, \(States.sessionColumns), \(States.userColumns),
               s.user_agent, s.address,
               ARRAY(SELECT DISTINCT c.name
                     FROM grants AS g JOIN clients AS c ON c.id = g.client
                     WHERE g.session = s.id AND NOT g.is_offline AND \(Alive.grant("g"))
                       AND \(Alive.client("c", epoch: "g.client_epoch")) ORDER BY c.name)
        FROM primary_state
        LEFT JOIN shown ON true
        LEFT JOIN sessions AS s ON s.id = shown.id AND s.user_id = $1
        LEFT JOIN users AS u ON u.id = s.user_id
        ORDER BY s.last_seen_at DESC, s.id
        """)

    struct AppRow: PostgresRow {
        /// How many grants that outlive their sessions are alive, where this is one of them.
        let total: Int64?
        let grant: SessionRecords.GrantRow

        init(_ cells: inout Cells) throws(PostgresError) {
            total = try cells.next()
            grant = try SessionRecords.GrantRow(&cells)
        }
    }

    /// Grants that can be refreshed, of `grants AS g`, `clients AS c`.
    private static let isLive =
        "g.user_id = $1 AND \(Alive.refreshableGrant("g")) "
        + "AND \(Alive.client("c", epoch: "g.client_epoch"))"

    /// The live grants of a user (`$1`): those that hang on one session (`$2`), of which each client
    /// has few; the newest that outlive theirs, up to a number (`$4`); and one (`$3`) that perhaps
    /// has ended.
    static let apps = Statement<
        Proven<AppRow>, PostgresUUID, PostgresUUID?, PostgresUUID?, Int64
    >(
        "accounts_apps",
        """
        WITH \(Primary.expression),
        hanging AS MATERIALIZED (
            SELECT g.id FROM grants AS g JOIN clients AS c ON c.id = g.client
            WHERE g.session = $2 AND NOT g.is_offline AND \(isLive)),
        kept AS MATERIALIZED (
            SELECT g.id, count(*) OVER () AS total
            FROM grants AS g JOIN clients AS c ON c.id = g.client
            JOIN users AS u ON u.id = g.user_id
            WHERE g.is_offline AND \(Alive.user("u", epoch: "g.user_epoch")) AND \(isLive)
            ORDER BY g.created_at DESC, g.id LIMIT $4),
        live AS MATERIALIZED (
            SELECT id, NULL::bigint AS total FROM hanging UNION ALL SELECT id, total FROM kept),
        shown AS MATERIALIZED (
            SELECT id, total FROM live
            UNION ALL SELECT $3, NULL WHERE NOT EXISTS (SELECT FROM live WHERE id = $3))
        SELECT \(Primary.columns), shown.total, \(SessionRecords.grantColumns)
        FROM primary_state
        LEFT JOIN shown ON true
        LEFT JOIN grants AS g ON g.id = shown.id AND g.user_id = $1
        LEFT JOIN clients AS c ON c.id = g.client
        LEFT JOIN sessions AS s ON s.id = g.session
        LEFT JOIN users AS u ON u.id = g.user_id
        ORDER BY g.created_at DESC, g.id
        """)

    /// Ends every login of a user (`$2`) but one (`$1`), and gives another password where there is
    /// one (`$4`).
    ///
    /// It adds to the user's epoch where that still equals the session's as it was read (`$3`), and
    /// only then gives the session the new one, and its cookie another secret (`$7`): a copy of the
    /// old cookie is of no use from then on. Only the login that was read (`$8`) can do so; one that was
    /// overtaken by another cookie's cannot. The rows are locked first, the user's before the
    /// session's, and judged as they are then: a statement's snapshot may be older.
    ///
    /// Done again after a lost reply, it knows its own success: the session went along to an epoch
    /// beyond the one that was read, with the cookie of this attempt; and each hash of a password has
    /// a salt of its own. Then the session is written as it is, so that this
    /// answer, too, rests on a commit.
    static let endOthers = Statement<
        Proven<ClientRecords.FoundRow>, PostgresUUID, PostgresUUID, Int64, String?, String,
        String, [UInt8]?, [UInt8]
    >(
        "accounts_end_others",
        """
        WITH \(Primary.expression),
        stated AS MATERIALIZED (
            SELECT set_config('doornail.keeps', $1::uuid::text, true) AS session),
        person AS MATERIALIZED (
            SELECT u.id, u.epoch, u.password_hash, u.disabled_at
            FROM users AS u CROSS JOIN stated
            WHERE u.id = $2 AND stated.session IS NOT NULL FOR UPDATE OF u),
        login AS MATERIALIZED (
            SELECT s.id, s.user_id, s.user_epoch, s.secret_hash, s.revoked_at,
                   s.idle_expires_at, s.expires_at
            FROM sessions AS s JOIN person ON person.id = s.user_id
            WHERE s.id = $1 FOR UPDATE OF s),
        kept AS MATERIALIZED (
            SELECT login.id, login.user_id, login.user_epoch, login.user_epoch = $3 AS is_first
            FROM login JOIN person ON person.id = login.user_id
            WHERE \(Alive.session("login")) AND \(Alive.user("person", epoch: "login.user_epoch"))
              AND (login.user_epoch = $3 AND login.secret_hash = $8
                   OR login.user_epoch > $3
                      AND ($7::bytea IS NULL OR login.secret_hash = $7)
                      AND ($4::text IS NULL OR person.password_hash = $4))),
        ended AS (
            UPDATE users AS u SET
                epoch = u.epoch + 1, password_hash = coalesce($4, u.password_hash),
                ended_at = \(Primary.time), ended_reason = $5, ended_by = $6
            FROM kept WHERE u.id = kept.user_id AND u.epoch = $3 AND kept.is_first
            RETURNING u.id, u.epoch),
        carried AS (
            UPDATE sessions AS s SET
                user_epoch = coalesce(ended.epoch, kept.user_epoch),
                previous_secret_hash = NULL,
                secret_hash = coalesce($7, s.secret_hash)
            FROM kept LEFT JOIN ended ON ended.id = kept.user_id
            WHERE s.id = kept.id AND (ended.id IS NOT NULL OR NOT kept.is_first)
            RETURNING s.id)
        SELECT \(Primary.columns), EXISTS (SELECT FROM carried) FROM primary_state
        """)
}

extension Store {
    /// Reads a person's logins and apps, up to a number of each.
    /// - Parameters:
    ///   - here: the login of this device, which is among them, with the apps that hang on it.
    ///   - asked: a login or grant of the person that is to be read also where it has ended.
    package func account(
        of user: Identifier, here: Identifier? = nil, asked: Identifier? = nil,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> Account {
        let rows = try await proven(
            Accounts.devices, user.uuid, here?.uuid, asked?.uuid,
            Int64(Limits.accountDevices + 1), deadline: deadline)
        let grants = try await proven(
            Accounts.apps, user.uuid, here?.uuid, asked?.uuid, Int64(Limits.accountApps),
            deadline: deadline)
        guard let first = rows.first else { throw .broken("accounts_devices: no row") }
        let apps = grants.compactMap { $0.row.grant.record(at: $0.primary.time) }
        let shown = (
            devices: rows.count(where: { $0.row.total != nil }),
            apps: grants.count(where: { $0.row.total != nil })
        )
        // Totals are counts, so no difference overflows.
        return Account(
            devices: rows.compactMap { $0.row.device(at: $0.primary.time) },
            moreDevices: Int(rows.compactMap(\.row.total).first ?? 0) - shown.devices,
            deviceApps: apps.filter { !$0.isOffline && $0.session == here && $0.death == nil },
            apps: apps.filter { $0.isOffline && $0.death == nil },
            moreApps: Int(grants.compactMap(\.row.total).first ?? 0) - shown.apps,
            asked: apps.first { $0.id == asked }, readAt: first.primary.time)
    }

    /// A grant of a person, dead or alive; nil for one of anybody else.
    package func app(
        _ id: Identifier, of user: Identifier,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> GrantRecord? {
        try await proven(Accounts.apps, user.uuid, nil, id.uuid, 0, deadline: deadline)
            .compactMap { $0.row.grant.record(at: $0.primary.time) }.first
    }

    /// Ends every login of a person but one, with offline access, and gives the person another
    /// password where there is one; `missing` where that login is over, or all others were ended
    /// meanwhile: then nothing has changed.
    package func endOthers(
        keeping login: SessionUser, with cookie: SessionCookie? = nil,
        password: PasswordHash? = nil, because cause: Cause,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> UnixTime {
        let rows = try await proven(
            Accounts.endOthers, login.session.id.uuid, login.session.user.uuid,
            login.session.userEpoch, password?.text, cause.reason, cause.actor,
            cookie?.secretHash, login.secretHash, deadline: deadline)
        guard let first = rows.first, first.row.isFound else {
            throw .missing(.login(login.session.id))
        }
        return first.primary.time
    }
}
