package import OAuth
package import Postgres

/// A user as an operator names one: by username or by id.
package struct UserReference: Sendable {
    let id: Identifier?
    let key: String
    package let text: String

    package init(_ text: String) {
        self.text = text
        id = Identifier(text)
        key = Username(text)?.key ?? ""
    }
}

/// A user as an operator sees it: all that is stored but the password.
package struct UserRecord: Sendable {
    package let id: Identifier
    package let username: String
    package let name: String?
    package let email: String?
    package let isEmailVerified: Bool
    package let epoch: Int64
    package let disabledAt: PostgresTime?
    package let endedAt: PostgresTime?
    package let endedReason: String?
    package let endedBy: String?
    package let createdAt: PostgresTime
    package let updatedAt: PostgresTime
}

/// A user to be made.
package struct NewUser: Sendable {
    package let id: Identifier
    package let username: Username
    package let name: String?
    package let email: String?
    package let isEmailVerified: Bool
    package let passwordHash: PasswordHash

    package init(
        id: Identifier, username: Username, name: String?, email: String?, isEmailVerified: Bool,
        passwordHash: PasswordHash
    ) {
        self.id = id
        self.username = username
        self.name = name
        self.email = email
        self.isEmailVerified = isEmailVerified
        self.passwordHash = passwordHash
    }
}

/// What an operator does with users: one statement each.
enum UserRecords {
    struct RecordRow: PostgresRow {
        let record: UserRecord?

        init(_ cells: inout Cells) throws(PostgresError) {
            let id: PostgresUUID? = try cells.next()
            let username: String? = try cells.next()
            let name: String? = try cells.next()
            let email: String? = try cells.next()
            let isEmailVerified: Bool? = try cells.next()
            let epoch: Int64? = try cells.next()
            let disabledAt: PostgresTime? = try cells.next()
            let endedAt: PostgresTime? = try cells.next()
            let endedReason: String? = try cells.next()
            let endedBy: String? = try cells.next()
            let createdAt: PostgresTime? = try cells.next()
            let updatedAt: PostgresTime? = try cells.next()
            guard let id, let username, let isEmailVerified, let epoch, let createdAt,
                let updatedAt
            else {
                record = nil
                return
            }
            record = UserRecord(
                id: Identifier(id), username: username, name: name, email: email,
                isEmailVerified: isEmailVerified, epoch: epoch, disabledAt: disabledAt,
                endedAt: endedAt, endedReason: endedReason, endedBy: endedBy,
                createdAt: createdAt, updatedAt: updatedAt)
        }
    }

    private static let columns = """
        u.id, u.username, u.name, u.email, u.email_verified, u.epoch, u.disabled_at, u.ended_at,
        u.ended_reason, u.ended_by, u.created_at, u.updated_at
        """
    private static let outcome = """
        SELECT \(Primary.columns), EXISTS (SELECT FROM changed) FROM primary_state
        """
    /// The row that `$1` (an id) or `$2` (a name's key) means.
    private static let isMeant = "(id = $1 OR username_key = normalize($2, NFC))"

    /// All users, or the one that is meant; one row of nulls where there is none.
    static let list = Statement<Proven<RecordRow>, PostgresUUID?, String?>(
        "user_records_list",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), \(columns)
        FROM primary_state
        LEFT JOIN users AS u ON $1::uuid IS NULL AND $2::text IS NULL
            OR u.id = $1 OR u.username_key = normalize($2, NFC)
        ORDER BY u.username
        """)

    /// A new user; no row is inserted where the name is taken by another.
    static let create = Statement<
        Proven<ClientRecords.FoundRow>, PostgresUUID, String, String, String?, String?, Bool,
        String
    >(
        "user_records_create",
        """
        WITH \(Primary.expression),
        changed AS (
            INSERT INTO users (
                id, username, username_key, name, email, email_verified, password_hash)
            VALUES ($1, $2, normalize($3, NFC), $4, $5, $6, $7)
            -- Done again after a lost reply, it finds its own row.
            ON CONFLICT (username_key) DO UPDATE SET id = users.id WHERE users.id = $1
            RETURNING id)
        SELECT \(Primary.columns), EXISTS (SELECT FROM changed) FROM primary_state
        """)

    /// Ends every login of a user, and disables the user where `$5` says so, or gives another
    /// password (`$6`).
    static let end = Statement<
        Proven<ClientRecords.FoundRow>, PostgresUUID?, String, String, String, Bool, String?
    >(
        "user_records_end",
        """
        WITH \(Primary.expression),
        changed AS (
            UPDATE users SET
                epoch = epoch + 1, ended_at = clock_timestamp(), ended_reason = $3, ended_by = $4,
                disabled_at = CASE WHEN $5 THEN coalesce(disabled_at, clock_timestamp())
                                   ELSE disabled_at END,
                password_hash = coalesce($6, password_hash)
            WHERE \(isMeant)
            RETURNING id)
        \(outcome)
        """)

    /// Lets a user log in again; what was alive before stays dead.
    static let enable = Statement<
        Proven<ClientRecords.FoundRow>, PostgresUUID?, String, String, String
    >(
        "user_records_enable",
        """
        WITH \(Primary.expression), \(statedCause),
        changed AS (
            UPDATE users SET disabled_at = NULL FROM cause
            WHERE \(isMeant) AND \(isStated)
            RETURNING id)
        \(outcome)
        """)

    /// Removes a user, and with it every login; where there is none, it writes all the same, as
    /// for clients.
    static let delete = Statement<
        Proven<ClientRecords.FoundRow>, PostgresUUID?, String, String, String
    >(
        "user_records_delete",
        """
        WITH \(Primary.expression), \(statedCause),
        changed AS (
            DELETE FROM users USING cause WHERE \(isMeant) AND \(isStated)
            RETURNING id),
        forgotten AS (
            DELETE FROM consents USING changed WHERE consents.user_id = changed.id
            RETURNING consents.user_id)
        \(outcome) CROSS JOIN (\(Store.written)) AS written
        """)

    /// States the cause of a change, for the trigger that logs it at the commit: `$3` and `$4`.
    private static let statedCause = """
        cause AS MATERIALIZED (
            SELECT set_config('doornail.reason', $3, true) AS reason,
                   set_config('doornail.actor', $4, true) AS actor)
        """
    private static let isStated = "cause.reason IS NOT NULL AND cause.actor IS NOT NULL"
}

extension Store {
    /// All users, ordered by their names.
    package func userRecords() async throws(StoreError) -> [UserRecord] {
        try await proven(UserRecords.list, nil, nil).compactMap(\.row.record)
    }

    package func userRecord(_ user: UserReference) async throws(StoreError) -> UserRecord {
        guard
            let record = try await proven(UserRecords.list, user.id?.uuid, user.key)
                .first?.row.record
        else { throw noUser(user) }
        return record
    }

    /// Makes a user; `conflict` where the name is taken.
    package func createUser(_ user: NewUser) async throws(StoreError) {
        let rows = try await proven(
            UserRecords.create, user.id.uuid, user.username.text, user.username.key, user.name,
            user.email, user.isEmailVerified, user.passwordHash.text)
        guard rows.first?.row.isFound == true else {
            throw .conflict(.userExists(user.username.text))
        }
    }

    /// Ends every login of a user, perhaps with another password, or disabling the user.
    package func endUser(
        _ user: UserReference, disabling: Bool = false, password: PasswordHash? = nil,
        because cause: Cause, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> UnixTime {
        try requireFound(
            user,
            await proven(
                UserRecords.end, user.id?.uuid, user.key, cause.reason, cause.actor, disabling,
                password?.text, deadline: deadline))
    }

    package func enableUser(
        _ user: UserReference, because cause: Cause
    ) async throws(StoreError) -> UnixTime {
        try requireFound(
            user,
            await proven(
                UserRecords.enable, user.id?.uuid, user.key, cause.reason, cause.actor))
    }

    package func deleteUser(
        _ user: UserReference, because cause: Cause
    ) async throws(StoreError) -> UnixTime {
        var isRepeated = false
        let rows = try await proven(
            UserRecords.delete, user.id?.uuid, user.key, cause.reason, cause.actor,
            onRepeat: { isRepeated = true })
        return try requireFound(user, rows, orGone: isRepeated)
    }

    /// - Parameter mayBeGone: an attempt before this one may have removed it.
    private func requireFound(
        _ user: UserReference, _ rows: [Proven<ClientRecords.FoundRow>],
        orGone mayBeGone: Bool = false
    ) throws(StoreError) -> UnixTime {
        guard let first = rows.first, first.row.isFound || mayBeGone else { throw noUser(user) }
        return first.primary.time
    }

    private func noUser(_ user: UserReference) -> StoreError {
        .missing(.user(user.text))
    }
}
