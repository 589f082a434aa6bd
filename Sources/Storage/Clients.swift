package import OAuth
import Postgres

/// Reads clients by the id that they present.
enum Clients {
    /// What is registered about a client, in the order in which it is read and written.
    static let settings = [
        "name", "auth_method", "grant_types", "redirect_uris", "post_logout_redirect_uris",
        "backchannel_logout_uri", "scope", "audiences", "introspects", "revokes", "first_party",
        "rotation", "retry_window_seconds", "id_token_alg",
    ]

    /// What a `Row` is made of, of `clients AS c`. All are null where there is no client.
    static let columns =
        (["id", "client_id"] + settings + ["secret_hash", "previous_secret_hash", "epoch"])
        .map { "c.\($0), " }.joined() + "c.disabled_at IS NOT NULL"

    struct Row: PostgresRow {
        let client: Client?

        init(_ cells: inout Cells) throws(PostgresError) {
            let id: PostgresUUID? = try cells.next()
            let clientID: String? = try cells.next()
            let registration = try Self.registration(&cells)
            let secretHash: [UInt8]? = try cells.next()
            let previousSecretHash: [UInt8]? = try cells.next()
            let epoch: Int64? = try cells.next()
            let isDisabled: Bool? = try cells.next()
            client =
                if let id, let clientID, let registration, let epoch, let isDisabled {
                    Client(
                        id: Identifier(id), clientID: clientID, registration: registration,
                        secretHashes: [secretHash, previousSecretHash].compactMap { $0 },
                        epoch: epoch, isDisabled: isDisabled)
                } else { nil }
        }

        private static func registration(
            _ cells: inout Cells
        ) throws(PostgresError) -> ClientRegistration? {
            let name: String? = try cells.next()
            let method: String? = try cells.next()
            let grantTypes: [String]? = try cells.next()
            let redirectURIs: [String]? = try cells.next()
            let postLogoutRedirectURIs: [String]? = try cells.next()
            let backchannelLogoutURI: String? = try cells.next()
            let scope: [String]? = try cells.next()
            let audiences: [String]? = try cells.next()
            let introspects: String? = try cells.next()
            let revokes: String? = try cells.next()
            let isFirstParty: Bool? = try cells.next()
            let rotates: Bool? = try cells.next()
            let retryWindowSeconds: Int32? = try cells.next()
            let idTokenAlgorithm: String? = try cells.next()
            guard let name, let grantTypes, let redirectURIs, let postLogoutRedirectURIs,
                let scope, let audiences, let isFirstParty, let rotates, let retryWindowSeconds,
                let method = method.flatMap(ClientRegistration.AuthenticationMethod.init),
                let introspects = introspects.flatMap(ClientRegistration.Introspects.init),
                let revokes = revokes.flatMap(ClientRegistration.Revokes.init),
                let idTokenAlgorithm = idTokenAlgorithm.flatMap(SigningAlgorithm.init)
            else { return nil }
            return ClientRegistration(
                name: name, method: method,
                grantTypes: grantTypes.compactMap(GrantType.init(rawValue:)),
                redirectURIs: redirectURIs, postLogoutRedirectURIs: postLogoutRedirectURIs,
                backchannelLogoutURI: backchannelLogoutURI, scope: Scope(stored: scope),
                audiences: audiences, introspects: introspects, revokes: revokes,
                isFirstParty: isFirstParty, rotates: rotates,
                retryWindowSeconds: retryWindowSeconds, idTokenAlgorithm: idTokenAlgorithm)
        }
    }

    struct FoundRow: PostgresRow {
        let unretiredKeyIDs: [Int16]
        let client: Client?

        init(_ cells: inout Cells) throws(PostgresError) {
            unretiredKeyIDs = try cells.next()
            client = try Row(&cells).client
        }
    }

    /// One row for each client id, in order.
    static let find = Statement<Proven<FoundRow>, [String]>(
        "clients_find",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns),
               ARRAY(SELECT key_id FROM secrets WHERE retired_at IS NULL), \(columns)
        FROM primary_state
        CROSS JOIN \(Store.unnest("text")) WITH ORDINALITY AS asked (client_id, position)
        \(Store.lookUp("clients", as: "c", where: "client_id = asked.client_id"))
        ORDER BY asked.position
        """)

    static func read(
        _ clientIDs: [String], on database: ProvenPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [ClientRead] {
        let rows = try await database.rows(find, clientIDs, by: deadline)
            .counted(clientIDs.count, of: find)
        let unretired = Set((rows.first?.row.unretiredKeyIDs ?? []).map { UInt8(clamping: $0) })
        return rows.map {
            ClientRead(
                client: $0.row.client, readAt: $0.primary.time, unretiredKeyIDs: unretired)
        }
    }
}

/// A client that is to be read.
private struct ClientLookup: BatchedRequest {
    let clientID: String

    static let batch = "clients"

    static func perform(
        _ requests: [ClientLookup], on database: ProvenPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [ClientRead] {
        try await Clients.read(requests.map(\.clientID), on: database, by: deadline)
    }
}

extension Store {
    /// Reads a client by its id. A text that cannot be a client id costs a query, too: the answer needs the
    /// database's time, and the proof of which server answered.
    package func client(
        _ clientID: String, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> ClientRead {
        try await batched(
            ClientLookup(clientID: Client.isClientID(clientID) ? clientID : ""), by: deadline)
    }
}
