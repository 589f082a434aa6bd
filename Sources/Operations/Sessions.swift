import Cluster
package import OAuth
import Storage

/// A login as operators see it.
package struct SessionDocument: Encodable, Sendable {
    package let id: String
    package let user: String?
    package let user_agent: String?
    package let address: String?
    package let amr: [String]
    package let created_at: String
    package let authenticated_at: String
    package let last_seen_at: String
    package let expires_at: String
    package let clients: [String]
    /// `alive`, or why it is not; where it was asked for, like the grants.
    package let state: String?
    package let ended_at: String?
    package let ended_reason: String?
    package let ended_by: String?
    package let grants: [GrantDocument]?

    init(_ record: SessionRecord, grants: [GrantRecord]? = nil) {
        id = record.id.description
        user = record.username
        user_agent = record.userAgent
        address = record.address
        amr = record.amr
        created_at = record.createdAt.text
        authenticated_at = record.authenticatedAt.text
        last_seen_at = record.lastSeenAt.text
        expires_at = record.expiresAt.text
        clients = record.clients
        state = grants == nil ? nil : record.death?.rawValue ?? GrantDocument.alive
        ended_at = record.endedAt?.text
        ended_reason = record.endedReason
        ended_by = record.endedBy
        self.grants = grants?.map(GrantDocument.init)
    }
}

/// A grant as operators see it.
package struct GrantDocument: Encodable, Sendable {
    package static let alive = "alive"

    package let id: String
    package let client_id: String
    package let client_name: String
    package let session: String
    package let scope: String
    package let audiences: [String]
    package let offline: Bool
    package let created_at: String
    package let last_used_at: String
    package let expires_at: String
    /// `alive`, or why it is not.
    package let state: String

    init(_ record: GrantRecord) {
        id = record.id.description
        client_id = record.clientID
        client_name = record.clientName
        session = record.session.description
        scope = record.scope.description
        audiences = record.audience
        offline = record.isOffline
        created_at = record.createdAt.text
        last_used_at = record.lastUsedAt.text
        expires_at = record.expiresAt.text
        state = record.death?.rawValue ?? Self.alive
    }
}

/// Who is logged in, and what hangs on it.
extension Operations {
    /// The logins that are alive, the last used first: of one user, or all.
    /// - Returns: also the user's name as it is stored, where one was named.
    package func sessions(
        of name: String? = nil
    ) async throws(Problem) -> (sessions: [SessionDocument], username: String?) {
        try await asking { () async throws(StoreError) in
            var user: UserRecord?
            if let name { user = try await store.userRecord(UserReference(name)) }
            let records = try await store.sessionRecords(of: user?.id)
            return (records.map { SessionDocument($0) }, user?.username)
        }
    }

    /// One login, alive or not, and the grants that were made in it.
    package func session(_ id: Identifier) async throws(Problem) -> SessionDocument {
        try await asking { () async throws(StoreError) in
            SessionDocument(
                try await store.sessionRecord(id),
                grants: try await store.grantRecords(inSession: id))
        }
    }

    /// Ends one login, and all that hangs on it.
    package func revokeSession(_ id: Identifier) async throws(Problem) -> Ended {
        try await end(
            .session(id), kind: "session", subject: id.description, because: "revoked")
    }

    /// Ends what one client may do for one login, with all tokens of it.
    package func revokeGrant(_ id: Identifier) async throws(Problem) -> Ended {
        try await end(.grant(id), kind: "grant", subject: id.description, because: "revoked")
    }
}
