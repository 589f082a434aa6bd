package import OAuth
package import Storage

/// A change of what is trusted, which holds at every node before it is answered: mostly an end, and what
/// lets something begin again.
package enum TrustChange: Sendable {
    /// One access token, of a client.
    case token(AccessToken, client: Identifier)
    /// What one client may do for one login, with all tokens of it.
    case grant(Identifier)
    /// One login, and all that hangs on it.
    case session(Identifier)
    /// Every login of a user, everywhere.
    case user(UserReference)
    /// A user, who may log in again only when enabled.
    case userDisabled(UserReference)
    /// A user, for good.
    case userDeleted(UserReference)
    case userEnabled(UserReference)
    /// A user's password, for another one; every login ends.
    case password(UserReference, PasswordHash)
    /// Every login of a person but this one, with offline access.
    case others(SessionUser, cookie: SessionCookie? = nil)
    /// A person's own password, for another one; every login but this one ends.
    case ownPassword(SessionUser, PasswordHash, cookie: SessionCookie? = nil)
    /// Everything that was issued to a client.
    case client(String)
    /// A client, which may get nothing until it is enabled again.
    case clientDisabled(String)
    /// A client, for good.
    case clientDeleted(String)
    /// A client's settings.
    case clientChanged(ClientChange)
    case clientEnabled(String)
    /// A client's secret, for a new one; the old one stays valid beside it where that is asked.
    case clientSecret(String, newHash: [UInt8], keepsPrevious: Bool)
    /// The secret that a client had before its present one.
    case previousClientSecret(String)
    /// One of the server's own secrets, and every token under it.
    case secret(UInt8)
    /// Every login and every token there is: the database was restored from a backup.
    case everything

    /// What it is, for metrics and the log: a fixed set.
    package var kind: String {
        switch self {
        case .token: "token"
        case .grant: "grant"
        case .session: "session"
        case .user: "user"
        case .userDisabled: "user_disabled"
        case .userDeleted: "user_deleted"
        case .userEnabled: "user_enabled"
        case .password: "password"
        case .others: "others"
        case .ownPassword: "own_password"
        case .client: "client"
        case .clientDisabled: "client_disabled"
        case .clientDeleted: "client_deleted"
        case .clientChanged: "client_changed"
        case .clientEnabled: "client_enabled"
        case .clientSecret: "client_secret"
        case .previousClientSecret: "previous_client_secret"
        case .secret: "secret"
        case .everything: "everything"
        }
    }

    /// Which one it is, for the log; never a token's text.
    package var subject: String {
        switch self {
        case .token(let token, _): token.id.description
        case .grant(let id), .session(let id): id.description
        case .user(let user), .userDisabled(let user), .userDeleted(let user),
            .userEnabled(let user), .password(let user, _):
            user.text
        case .others(let login, _), .ownPassword(let login, _, _): login.user.id.description
        case .client(let id), .clientDisabled(let id), .clientDeleted(let id),
            .clientEnabled(let id), .clientSecret(let id, _, _),
            .previousClientSecret(let id):
            id
        case .clientChanged(let change): change.clientID
        case .secret(let keyID): String(keyID)
        case .everything: "everything"
        }
    }
}
