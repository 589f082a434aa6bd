import Cluster
package import OAuth
import Storage

/// A user as operators see one.
package struct UserDocument: Encodable, Sendable {
    package let id: String
    package let username: String
    package let name: String?
    package let email: String?
    package let email_verified: Bool
    package let disabled: Bool
    package let disabled_at: String?
    package let ended_at: String?
    package let ended_reason: String?
    package let ended_by: String?
    package let created_at: String
    package let updated_at: String
    /// What apps may do without a login, where it was asked for.
    package let apps: [GrantDocument]?

    init(_ record: UserRecord, apps: [GrantRecord]? = nil) {
        id = record.id.description
        username = record.username
        name = record.name
        email = record.email
        email_verified = record.isEmailVerified
        disabled = record.disabledAt != nil
        disabled_at = record.disabledAt?.text
        ended_at = record.endedAt?.text
        ended_reason = record.endedReason
        ended_by = record.endedBy
        created_at = record.createdAt.text
        updated_at = record.updatedAt.text
        self.apps = apps?.map(GrantDocument.init)
    }
}

/// What is to be known of a new user beside the password; made only of what may be stored.
package struct UserDetails: Sendable {
    package enum Problem: Error, Sendable, Equatable {
        case username
        case name
        case email
        /// An address is said to be verified, and there is none.
        case verifiesNothing
    }

    let username: Username
    let name: String?
    let email: String?
    let isEmailVerified: Bool

    /// The longest address that mail can be sent to, in bytes (RFC 5321 §4.5.3.1.3).
    package static let emailBytes = 254

    package init(
        username: String, name: String?, email: String?, isEmailVerified: Bool
    ) throws(Problem) {
        guard let username = Username(username) else { throw .username }
        if let name {
            guard (1...Limits.nameBytes).contains(name.utf8.count), printable(name) == name
            else { throw .name }
        }
        if let email {
            guard Self.isEmail(email) else { throw .email }
        } else if isEmailVerified {
            throw .verifiesNothing
        }
        self.username = username
        self.name = name
        self.email = email
        self.isEmailVerified = isEmailVerified
    }

    /// Whether a text looks like an address; only mail that arrives proves more.
    private static func isEmail(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return text.utf8.count <= emailBytes && parts.count == 2
            && parts.allSatisfy { !$0.isEmpty } && printable(text) == text
            && !text.unicodeScalars.contains { $0.properties.isWhitespace }
    }
}

/// A text from outside as a terminal or page may show it: nothing in it moves the cursor, or decides in
/// which order the words around it are read (Unicode TR36 §2.8).
package func printable(_ text: String) -> String {
    var scalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0x00...0x1F, 0x7F...0x9F, 0x061C, 0x200E...0x200F, 0x2028...0x202E,
            0x2066...0x2069:
            scalars.append("\u{FFFD}")
        default: scalars.append(scalar)
        }
    }
    return String(scalars)
}

/// People with a password.
extension Operations {
    package func users() async throws(Problem) -> [UserDocument] {
        try await asking { () async throws(StoreError) in
            try await store.userRecords().map { UserDocument($0) }
        }
    }

    /// One user, with the apps whose access outlives a login.
    package func user(_ name: String) async throws(Problem) -> UserDocument {
        try await asking { () async throws(StoreError) in
            let record = try await store.userRecord(UserReference(name))
            return UserDocument(
                record, apps: try await store.offlineGrantRecords(of: record.id))
        }
    }

    private func userRecord(_ name: String) async throws(Problem) -> UserRecord {
        try await asking { () async throws(StoreError) in
            try await store.userRecord(UserReference(name))
        }
    }

    package func createUser(
        _ details: UserDetails, password: PasswordHash
    ) async throws(Problem) -> UserDocument {
        let user = NewUser(
            id: Self.newIdentifier(), username: details.username, name: details.name,
            email: details.email, isEmailVerified: details.isEmailVerified,
            passwordHash: password)
        try await asking { () async throws(StoreError) in try await store.createUser(user) }
        return UserDocument(try await userRecord(user.id.description))
    }

    /// Gives a user another password, and ends every login with the old one.
    package func setPassword(
        of name: String, to password: PasswordHash
    ) async throws(Problem) -> Ended {
        try await end(
            .password(UserReference(name), password), kind: "user", subject: name,
            because: "password set")
    }

    /// Ends every login of a user, and all offline access; new logins are free.
    package func revokeUser(_ name: String) async throws(Problem) -> Ended {
        try await end(
            .user(UserReference(name)), kind: "user", subject: name, because: "revoked")
    }

    /// Ends every login of a user, and allows no more until the user is enabled.
    package func disableUser(_ name: String) async throws(Problem) -> Ended {
        try await end(
            .userDisabled(UserReference(name)), kind: "user", subject: name, because: "disabled")
    }

    package func enableUser(_ name: String) async throws(Problem) -> UserDocument {
        _ = try await end(.userEnabled(UserReference(name)), because: "enabled")
        return UserDocument(try await userRecord(name))
    }

    package func deleteUser(_ name: String) async throws(Problem) -> Ended {
        try await end(
            .userDeleted(UserReference(name)), kind: "user", subject: name, because: "deleted")
    }
}
