package import OAuth
import Postgres

/// Reads users by the name that they log in with.
enum Users {
    struct FoundRow: PostgresRow {
        let user: Liveness.UserState?
        let passwordHash: String?
        let key: String

        init(_ cells: inout Cells) throws(PostgresError) {
            user = try States.UserRow(&cells).state
            passwordHash = try cells.next()
            key = try cells.next()
        }
    }

    struct ProfileRow: PostgresRow {
        let profile: UserProfile?

        init(_ cells: inout Cells) throws(PostgresError) {
            let username: String? = try cells.next()
            let name: String? = try cells.next()
            let email: String? = try cells.next()
            let isEmailVerified: Bool? = try cells.next()
            let updatedAt: PostgresTime? = try cells.next()
            profile =
                if let username, let isEmailVerified, let updatedAt {
                    UserProfile(
                        username: username, name: name, email: email,
                        isEmailVerified: isEmailVerified, updatedAt: UnixTime(updatedAt))
                } else { nil }
        }
    }

    static let profile = Statement<Proven<ProfileRow>, PostgresUUID>(
        "users_profile",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), u.username, u.name, u.email, u.email_verified, u.updated_at
        FROM primary_state LEFT JOIN users AS u ON u.id = $1
        """)

    static let find = Statement<Proven<FoundRow>, String>(
        "users_find",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), \(States.userColumns), u.password_hash, normalize($1, NFC)
        FROM primary_state LEFT JOIN users AS u ON u.username_key = normalize($1, NFC)
        """)
}

extension Store {
    /// What is known of a person; nil where there is none of that id.
    package func profile(
        of user: Identifier, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> UserProfile? {
        try await proven(Users.profile, user.uuid, deadline: deadline).first?.row.profile
    }

    /// Reads a user by name, and the one spelling of the name, whether there is such a user or not.
    package func user(
        _ username: Username, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> (user: UserRead?, key: String) {
        let rows = try await proven(Users.find, username.key, deadline: deadline)
        guard let first = rows.first else { throw .broken("users_find: no row") }
        let user = first.row.user.map { user in
            UserRead(
                id: user.id, username: user.username, epoch: user.epoch,
                isDisabled: user.isDisabled,
                passwordHash: first.row.passwordHash.flatMap(PasswordHash.init))
        }
        return (user, first.row.key)
    }
}
