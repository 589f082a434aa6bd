import Cluster
package import OAuth
package import Storage

/// A client as operators see it: the names are those of the flags and of RFC 7591 §2.
package struct ClientDocument: Encodable, Sendable {
    package let client_id: String
    package let client_secret: String?
    package let id: String
    package let name: String
    package let auth_method: String
    package let grants: [String]
    package let redirect_uris: [String]
    package let post_logout_redirect_uris: [String]
    package let backchannel_logout_uri: String?
    package let scope: String
    package let audiences: [String]
    package let introspects: String
    package let revokes: String
    package let first_party: Bool
    package let rotation: String
    package let retry_window_seconds: Int
    package let id_token_alg: String
    package let has_previous_secret: Bool
    package let disabled: Bool
    package let disabled_at: String?
    package let ended_at: String?
    package let ended_reason: String?
    package let ended_by: String?
    package let created_at: String
    package let updated_at: String

    /// - Parameter secret: a new one, which is shown this once.
    init(_ record: ClientRecord, secret: Redacted<String>? = nil) {
        let client = record.client
        let registration = client.registration
        client_id = client.clientID
        client_secret = secret?.value
        id = client.id.description
        name = registration.name
        auth_method = registration.method.rawValue
        grants = registration.grantTypes.map(\.rawValue)
        redirect_uris = registration.redirectURIs
        post_logout_redirect_uris = registration.postLogoutRedirectURIs
        backchannel_logout_uri = registration.backchannelLogoutURI
        scope = registration.scope.description
        audiences = registration.audiences
        introspects = registration.introspects.rawValue
        revokes = registration.revokes.rawValue
        first_party = registration.isFirstParty
        rotation = registration.rotates ? "on" : "off"
        retry_window_seconds = Int(registration.retryWindowSeconds)
        id_token_alg = registration.idTokenAlgorithm.rawValue
        has_previous_secret = client.hasPreviousSecret
        disabled = client.isDisabled
        disabled_at = record.disabledAt?.text
        ended_at = record.endedAt?.text
        ended_reason = record.endedReason
        ended_by = record.endedBy
        created_at = record.createdAt.text
        updated_at = record.updatedAt.text
    }
}

extension Client {
    fileprivate var hasPreviousSecret: Bool { secretHashes.count > 1 }
}

/// Registered applications and resource servers.
extension Operations {
    package func clients() async throws(Problem) -> [ClientDocument] {
        try await asking { () async throws(StoreError) in
            try await store.clientRecords().map { ClientDocument($0) }
        }
    }

    package func client(_ id: String) async throws(Problem) -> ClientDocument {
        ClientDocument(try await clientRecord(id))
    }

    /// A client as it is stored, which `updateClient` takes.
    package func clientRecord(_ id: String) async throws(Problem) -> ClientRecord {
        try await asking { () async throws(StoreError) in try await store.clientRecord(id) }
    }

    private func client(
        _ id: String, showing secret: Redacted<String>?
    ) async throws(Problem) -> ClientDocument {
        ClientDocument(try await clientRecord(id), secret: secret)
    }

    /// Registers a client; the document has its secret, unless it is public.
    package func createClient(
        _ id: String, _ registration: ClientRegistration
    ) async throws(Problem) -> ClientDocument {
        guard Client.isClientID(id) else { throw .clientID(id) }
        try requireRight(registration)
        let secret = registration.method.isPublic ? nil : Self.newSecret()
        try await asking { () async throws(StoreError) in
            try await store.createClient(
                id, id: Self.newIdentifier(), registration,
                secretHash: secret.map(ClientSecret.hash))
        }
        return try await client(id, showing: secret)
    }

    /// Changes a client, unless somebody else did after it was read. One that was public and no longer is
    /// gets a secret, which the document has.
    package func updateClient(
        _ record: ClientRecord, to registration: ClientRegistration
    ) async throws(Problem) -> ClientDocument {
        try requireRight(registration)
        let client = record.client
        let secret = client.isPublic && !registration.method.isPublic ? Self.newSecret() : nil
        _ = try await end(
            .clientChanged(
                ClientChange(
                    to: registration, of: record, secretHash: secret.map(ClientSecret.hash))),
            because: "updated")
        return try await self.client(client.clientID, showing: secret)
    }

    private func requireRight(_ registration: ClientRegistration) throws(Problem) {
        let problems = registration.problems
        guard problems.isEmpty else { throw .registration(problems) }
    }

    /// Gives a client a new secret, which the document has.
    /// - Parameter keepsPresent: the present secret stays valid beside it.
    /// - Returns: also whether a third secret, older than both, was still valid and has ended.
    package func rotateClientSecret(
        _ id: String, keepsPresent: Bool
    ) async throws(Problem) -> (client: ClientDocument, hasEndedOlder: Bool) {
        let before = try await confidentialClient(id)
        let secret = Self.newSecret()
        _ = try await end(
            .clientSecret(id, newHash: ClientSecret.hash(secret), keepsPrevious: keepsPresent),
            because: "secret rotated")
        return (
            try await client(id, showing: secret), before.hasPreviousSecret && keepsPresent
        )
    }

    /// Ends the secret that a client had before its present one.
    package func endPreviousClientSecret(
        _ id: String
    ) async throws(Problem) -> ClientDocument {
        _ = try await confidentialClient(id)
        _ = try await end(.previousClientSecret(id), because: "old secret ended")
        return try await client(id)
    }

    private func confidentialClient(_ id: String) async throws(Problem) -> Client {
        let client = try await clientRecord(id).client
        guard !client.isPublic else { throw .publicClient(id) }
        return client
    }

    /// Ends everything that was issued to a client; it may get new tokens.
    package func revokeClient(_ id: String) async throws(Problem) -> Ended {
        try await end(.client(id), kind: "client", subject: id, because: "revoked")
    }

    /// Ends everything that was issued to a client, and gives it nothing until it is enabled.
    package func disableClient(_ id: String) async throws(Problem) -> Ended {
        try await end(.clientDisabled(id), kind: "client", subject: id, because: "disabled")
    }

    package func enableClient(_ id: String) async throws(Problem) -> ClientDocument {
        _ = try await end(.clientEnabled(id), because: "enabled")
        return try await client(id)
    }

    package func deleteClient(_ id: String) async throws(Problem) -> Ended {
        try await end(.clientDeleted(id), kind: "client", subject: id, because: "deleted")
    }
}
