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

/// A person's logins, the last used first, and the apps beside them.
package struct Account: Sendable {
    package let devices: [AccountDevice]
    /// The grants that outlive their sessions, also those that are over.
    package let apps: [GrantRecord]
    package let readAt: UnixTime
}

/// What a person sees of the own logins, and does with all of them at once.
enum Accounts {
    struct DeviceRow: PostgresRow {
        let session: SessionState?
        let user: Liveness.UserState?
        let userAgent: String?
        let address: String?
        let apps: [String]?

        init(_ cells: inout Cells) throws(PostgresError) {
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

    /// The logins of a user (`$1`) that were not ended one by one, and one (`$2`) that perhaps was.
    static let devices = Statement<Proven<DeviceRow>, PostgresUUID, PostgresUUID?>(
        "accounts_devices",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), \(States.sessionColumns), \(States.userColumns),
               s.user_agent, s.address,
               ARRAY(SELECT DISTINCT c.name
                     FROM grants AS g JOIN clients AS c
                       ON c.id = g.client AND c.epoch = g.client_epoch AND c.disabled_at IS NULL
                     WHERE g.session = s.id AND NOT g.is_offline AND g.revoked_at IS NULL
                       AND g.expires_at > clock_timestamp() ORDER BY c.name)
        FROM primary_state
        LEFT JOIN sessions AS s ON s.user_id = $1 AND (s.revoked_at IS NULL OR s.id = $2)
        LEFT JOIN users AS u ON u.id = s.user_id
        ORDER BY s.last_seen_at DESC, s.id
        """)

    /// Ends every login of a user (`$2`) but one (`$1`), and gives another password where there is
    /// one (`$4`).
    ///
    /// It adds to the user's epoch where that still equals the session's as it was read (`$3`), and
    /// only then gives the session the new one, and its cookie another secret (`$7`): a copy of the
    /// old cookie is of no use any more. Only the login that was read (`$8`) can do so; one that was
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
            FROM login JOIN person ON person.id = login.user_id AND person.epoch = login.user_epoch
            WHERE login.revoked_at IS NULL AND login.idle_expires_at > clock_timestamp()
              AND login.expires_at > clock_timestamp() AND person.disabled_at IS NULL
              AND (login.user_epoch = $3 AND login.secret_hash = $8
                   OR login.user_epoch > $3
                      AND ($7::bytea IS NULL OR login.secret_hash = $7)
                      AND ($4::text IS NULL OR person.password_hash = $4))),
        ended AS (
            UPDATE users AS u SET
                epoch = u.epoch + 1, password_hash = coalesce($4, u.password_hash),
                ended_at = clock_timestamp(), ended_reason = $5, ended_by = $6
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
    /// Reads a person's logins and apps.
    /// - Parameter ended: a login of the person that is to be read also where it was ended.
    package func account(
        of user: Identifier, ended: Identifier? = nil,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> Account {
        let devices = try await proven(
            Accounts.devices, user.uuid, ended?.uuid, deadline: deadline)
        let apps = try await proven(SessionRecords.grants, nil, user.uuid, deadline: deadline)
        guard let first = devices.first else { throw .broken("accounts_devices: no row") }
        return Account(
            devices: devices.compactMap { $0.row.device(at: $0.primary.time) },
            apps: apps.compactMap { $0.row.record(at: $0.primary.time) },
            readAt: first.primary.time)
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
            throw .missing("the login \(login.session.id) is over, or not as it was")
        }
        return first.primary.time
    }
}
