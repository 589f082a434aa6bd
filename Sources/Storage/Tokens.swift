package import OAuth
import Postgres

/// What a token's liveness is looked up by; what it does not name is the id of no row.
struct LivenessKey: Hashable, Sendable {
    let token: Identifier
    let client: Identifier
    let grant: Identifier
    let keyID: UInt8

    private static let nothing = Identifier(high: 0, low: 0)

    init(_ token: Token) {
        keyID = token.keyID
        grant = token.grant ?? Self.nothing
        switch token {
        case .access(let access):
            self.token = access.id
            client = if case .client(let id, _) = access.subject { id } else { Self.nothing }
        case .refresh:
            self.token = Self.nothing
            client = Self.nothing
        }
    }
}

/// Reads what tokens hang on.
enum Tokens {
    struct LivenessRow: PostgresRow {
        let isTokenRevoked: Bool
        let isSecretRetired: Bool
        let client: Liveness.ClientState?
        let grant: GrantState?
        let session: SessionState?
        let user: Liveness.UserState?

        init(_ cells: inout Cells) throws(PostgresError) {
            isTokenRevoked = try cells.next()
            isSecretRetired = try cells.next()
            client = try States.ClientRow(&cells).state
            grant = try States.GrantRow(&cells).state
            session = try States.SessionRow(&cells).state
            user = try States.UserRow(&cells).state
        }
    }

    /// One row for each key, in order.
    static let liveness = Statement<
        Proven<LivenessRow>, [PostgresUUID], [PostgresUUID], [PostgresUUID], [Int16]
    >(
        "tokens_liveness",
        """
        WITH \(Primary.expression)
        SELECT \(Primary.columns),
               revoked.id IS NOT NULL,
               \(States.isSecretRetired),
               \(States.clientColumns), \(States.grantColumns), \(States.sessionColumns),
               \(States.userColumns)
        FROM primary_state
        CROSS JOIN \(Store.unnest("uuid", "uuid", "uuid", "smallint"))
            WITH ORDINALITY AS asked (token, client, grant_id, key_id, position)
        \(Store.lookUp("revoked_tokens", as: "revoked", where: "id = asked.token"))
        \(Store.lookUp("grants", as: "g", where: "id = asked.grant_id"))
        \(Store.lookUp("sessions", as: "s", where: "id = g.session"))
        \(Store.lookUp("users", as: "u", where: "id = g.user_id"))
        \(Store.lookUp("clients", as: "c", where: "id = coalesce(g.client, asked.client)"))
        LEFT JOIN secrets ON secrets.key_id = asked.key_id
        ORDER BY asked.position
        """)

    static func read(
        _ keys: [LivenessKey], on database: ProvenPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [Liveness.State] {
        let rows = try await database.rows(
            liveness, keys.map(\.token.uuid), keys.map(\.client.uuid), keys.map(\.grant.uuid),
            keys.map { Int16($0.keyID) }, by: deadline
        ).counted(keys.count, of: liveness)
        return rows.map { proven in
            let row = proven.row
            return Liveness.State(
                readAt: proven.primary.time, isTokenRevoked: row.isTokenRevoked,
                isSecretRetired: row.isSecretRetired, client: row.client, grant: row.grant,
                session: row.session, user: row.user)
        }
    }
}

extension LivenessKey: BatchedRequest {
    static let batch = "liveness"

    static func perform(
        _ requests: [LivenessKey], on database: ProvenPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [Liveness.State] {
        try await Tokens.read(requests, on: database, by: deadline)
    }
}

extension Store {
    /// Reads what a token hangs on, with proof of who answered.
    package func liveness(
        of token: Token, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> Liveness.State {
        try await batched(LivenessKey(token), by: deadline)
    }
}
