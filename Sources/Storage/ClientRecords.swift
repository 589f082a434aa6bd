package import OAuth
package import Postgres

/// A client with all that is stored about it, as an operator sees it.
package struct ClientRecord: Sendable {
    package let client: Client
    package let disabledAt: PostgresTime?
    package let endedAt: PostgresTime?
    package let endedReason: String?
    package let endedBy: String?
    package let createdAt: PostgresTime
    package let updatedAt: PostgresTime
}

/// New settings for a client.
package struct ClientChange: Sendable {
    package let clientID: String
    package let registration: ClientRegistration
    /// The first secret of a client that was public and no longer is.
    package let secretHash: [UInt8]?
    /// `updatedAt` of the record that the change was made from.
    package let readAs: PostgresTime

    package init(to registration: ClientRegistration, of record: ClientRecord, secretHash: [UInt8]?)
    {
        clientID = record.client.clientID
        self.registration = registration
        self.secretHash = secretHash
        readAs = record.updatedAt
    }
}

/// What an operator does with clients: one statement each.
enum ClientRecords {
    struct RecordRow: PostgresRow {
        let record: ClientRecord?

        init(_ cells: inout Cells) throws(PostgresError) {
            let client = try Clients.Row(&cells).client
            let disabledAt: PostgresTime? = try cells.next()
            let endedAt: PostgresTime? = try cells.next()
            let endedReason: String? = try cells.next()
            let endedBy: String? = try cells.next()
            let createdAt: PostgresTime? = try cells.next()
            let updatedAt: PostgresTime? = try cells.next()
            record =
                if let client, let createdAt, let updatedAt {
                    ClientRecord(
                        client: client, disabledAt: disabledAt, endedAt: endedAt,
                        endedReason: endedReason, endedBy: endedBy, createdAt: createdAt,
                        updatedAt: updatedAt)
                } else { nil }
        }
    }

    /// Whether a statement found its client.
    struct FoundRow: PostgresRow {
        let isFound: Bool

        init(_ cells: inout Cells) throws(PostgresError) {
            isFound = try cells.next()
        }
    }

    private static let settings = Clients.settings.joined(separator: ", ")
    /// The parameters of the settings, from a number on.
    private static func values(from first: Int) -> String {
        Clients.settings.indices.map { "$\(first + $0)" }.joined(separator: ", ")
    }

    /// States the cause of a change, for the trigger that logs it at the commit: `$2` and `$3`.
    private static let cause = """
        cause AS MATERIALIZED (
            SELECT set_config('doornail.reason', $2, true) AS reason,
                   set_config('doornail.actor', $3, true) AS actor)
        """
    /// A part of each such change's condition, so that PostgreSQL states the cause before it changes a row.
    private static let isStated = "cause.reason IS NOT NULL AND cause.actor IS NOT NULL"
    private static let outcome = """
        SELECT \(Primary.columns), EXISTS (SELECT FROM changed) FROM primary_state
        """

    /// All clients, or the one with an id; one row of nulls where there is none.
    static let list = Statement<Proven<RecordRow>, String?>(
        "client_records_list",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns), \(Clients.columns), c.disabled_at, c.ended_at,
               c.ended_reason, c.ended_by, c.created_at, c.updated_at
        FROM primary_state
        LEFT JOIN clients AS c ON $1::text IS NULL OR c.client_id = $1
        ORDER BY c.client_id
        """)

    /// A new client; no row is inserted where the id is taken by another.
    static let create = Statement<
        Proven<FoundRow>, PostgresUUID, String, [UInt8]?, String, String, [String], [String],
        [String], String?, [String], [String], String, String, Bool, Bool, Int32, String
    >(
        "client_records_create",
        """
        WITH \(Primary.expression),
        changed AS (
            INSERT INTO clients (id, client_id, secret_hash, \(settings))
            VALUES ($1, $2, $3, \(values(from: 4)))
            -- Done again after a lost reply, it finds its own row.
            ON CONFLICT (client_id) DO UPDATE SET id = clients.id WHERE clients.id = $1
            RETURNING id)
        SELECT \(Primary.columns), EXISTS (SELECT FROM changed) FROM primary_state
        """)

    /// New settings for a client, if it is still as it was read (`$4`). A public client has no
    /// secret, and a confidential one keeps its, or gets its first one (`$5`).
    ///
    /// An attempt after a lost reply finds the settings and the secret as the first one wrote them. It
    /// writes them once more, so that its answer rests on a commit.
    static let update = Statement<
        Proven<FoundRow>, String, String, String, PostgresTime, [UInt8]?, String, String,
        [String], [String], [String], String?, [String], [String], String, String, Bool, Bool,
        Int32, String
    >(
        "client_records_update",
        """
        WITH \(Primary.expression), \(cause),
        changed AS (
            UPDATE clients SET
                (\(settings)) = ROW (\(values(from: 6))),
                -- $7 is the new auth_method.
                secret_hash = CASE WHEN $7 = 'none' THEN NULL ELSE coalesce(secret_hash, $5) END,
                previous_secret_hash = CASE WHEN $7 = 'none' THEN NULL
                                            ELSE previous_secret_hash END
            FROM cause
            WHERE client_id = $1 AND \(isStated) AND (
                updated_at = $4
                OR (\(settings)) IS NOT DISTINCT FROM (\(values(from: 6)))
                   AND ($5::bytea IS NULL OR secret_hash = $5))
            RETURNING id)
        \(outcome)
        """)

    /// A new secret. The one before it stays valid where that is asked, and only that one.
    static let rotateSecret = Statement<Proven<FoundRow>, String, String, String, [UInt8], Bool>(
        "client_records_rotate_secret",
        """
        WITH \(Primary.expression), \(cause),
        changed AS (
            UPDATE clients SET
                secret_hash = $4,
                -- Done again after a lost reply, it must not end the secret that it kept.
                previous_secret_hash = CASE WHEN NOT $5 THEN NULL
                                            WHEN secret_hash = $4 THEN previous_secret_hash
                                            ELSE secret_hash END
            FROM cause
            WHERE client_id = $1 AND auth_method <> 'none' AND \(isStated)
            RETURNING id)
        \(outcome)
        """)

    /// Ends the secret before the present one.
    static let dropPreviousSecret = Statement<Proven<FoundRow>, String, String, String>(
        "client_records_drop_previous_secret",
        """
        WITH \(Primary.expression), \(cause),
        changed AS (
            UPDATE clients SET previous_secret_hash = NULL
            FROM cause
            WHERE client_id = $1 AND auth_method <> 'none' AND \(isStated)
            RETURNING id)
        \(outcome)
        """)

    /// Ends everything that was issued to a client, and disables it where `$4` says so.
    static let end = Statement<Proven<FoundRow>, String, String, String, Bool>(
        "client_records_end",
        """
        WITH \(Primary.expression),
        changed AS (
            UPDATE clients SET
                epoch = epoch + 1, ended_at = clock_timestamp(), ended_reason = $2, ended_by = $3,
                disabled_at = CASE WHEN $4 THEN coalesce(disabled_at, clock_timestamp())
                                   ELSE disabled_at END
            WHERE client_id = $1
            RETURNING id)
        \(outcome)
        """)

    /// Lets a client work again; what was issued before it was disabled stays dead.
    static let enable = Statement<Proven<FoundRow>, String, String, String>(
        "client_records_enable",
        """
        WITH \(Primary.expression), \(cause),
        changed AS (
            UPDATE clients SET disabled_at = NULL
            FROM cause
            WHERE client_id = $1 AND \(isStated)
            RETURNING id)
        \(outcome)
        """)

    /// Removes a client, and with it all that was issued to it.
    ///
    /// It writes also where there is no such client: the answer to an attempt after a lost reply must rest
    /// on a commit that a standby has, too.
    static let delete = Statement<Proven<FoundRow>, String, String, String>(
        "client_records_delete",
        """
        WITH \(Primary.expression), \(cause),
        changed AS (
            DELETE FROM clients USING cause WHERE client_id = $1 AND \(isStated)
            RETURNING id),
        forgotten AS (
            DELETE FROM consents USING changed WHERE consents.client = changed.id
            RETURNING consents.client)
        \(outcome) CROSS JOIN (\(Store.written)) AS written
        """)
}

extension Store {
    /// All clients, ordered by their ids.
    package func clientRecords() async throws(StoreError) -> [ClientRecord] {
        try await proven(ClientRecords.list, nil).compactMap(\.row.record)
    }

    package func clientRecord(_ clientID: String) async throws(StoreError) -> ClientRecord {
        guard let record = try await proven(ClientRecords.list, clientID).first?.row.record else {
            throw noClient(clientID)
        }
        return record
    }

    /// Registers a client; `conflict` where the id is taken.
    package func createClient(
        _ clientID: String, id: Identifier, _ registration: ClientRegistration,
        secretHash: [UInt8]?
    ) async throws(StoreError) {
        let r = registration
        let rows = try await proven(
            ClientRecords.create, id.uuid, clientID, secretHash, r.name, r.method.rawValue,
            r.grantTypes.map(\.rawValue), r.redirectURIs, r.postLogoutRedirectURIs,
            r.backchannelLogoutURI, r.scope.tokens, r.audiences, r.introspects.rawValue,
            r.revokes.rawValue, r.isFirstParty, r.rotates, r.retryWindowSeconds,
            r.idTokenAlgorithm.rawValue)
        guard rows.first?.row.isFound == true else {
            throw .conflict(.clientExists(clientID))
        }
    }

    /// Changes a client's settings, if nobody else has since they were read.
    package func updateClient(
        _ change: ClientChange, because cause: Cause
    ) async throws(StoreError) -> UnixTime {
        let r = change.registration
        let rows = try await proven(
            ClientRecords.update, change.clientID, cause.reason, cause.actor, change.readAs,
            change.secretHash, r.name, r.method.rawValue, r.grantTypes.map(\.rawValue),
            r.redirectURIs, r.postLogoutRedirectURIs, r.backchannelLogoutURI, r.scope.tokens,
            r.audiences, r.introspects.rawValue, r.revokes.rawValue, r.isFirstParty, r.rotates,
            r.retryWindowSeconds, r.idTokenAlgorithm.rawValue)
        guard let first = rows.first, first.row.isFound else {
            _ = try await clientRecord(change.clientID)
            throw .conflict(.clientChanged(change.clientID))
        }
        return first.primary.time
    }

    package func rotateClientSecret(
        _ clientID: String, to hash: [UInt8], keepsPrevious: Bool, because cause: Cause
    ) async throws(StoreError) -> UnixTime {
        try requireFound(
            clientID,
            await proven(
                ClientRecords.rotateSecret, clientID, cause.reason, cause.actor, hash,
                keepsPrevious))
    }

    package func dropPreviousClientSecret(
        _ clientID: String, because cause: Cause
    ) async throws(StoreError) -> UnixTime {
        try requireFound(
            clientID,
            await proven(
                ClientRecords.dropPreviousSecret, clientID, cause.reason, cause.actor))
    }

    package func endClient(
        _ clientID: String, disabling: Bool, because cause: Cause
    ) async throws(StoreError) -> UnixTime {
        try requireFound(
            clientID,
            await proven(ClientRecords.end, clientID, cause.reason, cause.actor, disabling))
    }

    package func enableClient(
        _ clientID: String, because cause: Cause
    ) async throws(StoreError) -> UnixTime {
        try requireFound(
            clientID, await proven(ClientRecords.enable, clientID, cause.reason, cause.actor))
    }

    package func deleteClient(
        _ clientID: String, because cause: Cause
    ) async throws(StoreError) -> UnixTime {
        var isRepeated = false
        let rows = try await proven(
            ClientRecords.delete, clientID, cause.reason, cause.actor,
            onRepeat: { isRepeated = true })
        return try requireFound(clientID, rows, orGone: isRepeated)
    }

    /// - Parameter mayBeGone: whether no row is a success: an earlier attempt, whose reply was lost, may
    ///   have deleted it.
    private func requireFound(
        _ clientID: String, _ rows: [Proven<ClientRecords.FoundRow>], orGone mayBeGone: Bool = false
    ) throws(StoreError) -> UnixTime {
        guard let first = rows.first, first.row.isFound || mayBeGone else {
            throw noClient(clientID)
        }
        return first.primary.time
    }

    private func noClient(_ clientID: String) -> StoreError {
        .missing(.client(clientID))
    }
}
