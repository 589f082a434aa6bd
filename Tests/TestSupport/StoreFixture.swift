import Foundation
package import OAuth
package import Postgres
package import Storage

/// Migrations of one database go one after the other anyway; who waits for a turn here does not run into
/// the migrator's own limit.
private actor MigrationTurns {
    static let shared = MigrationTurns()
    private var last: Task<Void, any Error>?

    func run(_ migrate: @escaping @Sendable () async throws -> Void) async throws {
        let task = Task { [last] in
            _ = await last?.result
            try await migrate()
        }
        last = task
        try await task.value
    }
}

/// A store on a migrated schema of its own, and a connection beside it for what an operator does.
package struct StoreFixture: Sendable {
    package let store: Store
    package let url: String
    package let connection: PostgresConnection

    package static func with(_ body: @escaping @Sendable (StoreFixture) async throws -> Void)
        async throws
    {
        try await TestDatabase.with { database in
            let url = database.url
            let connection = try await PostgresConnection.open(
                url: url, applicationName: "tests", statements: [],
                deadline: .now + .seconds(10))
            try await MigrationTurns.shared.run {
                _ = try await Migrator(migrations: Migrations.all).migrate(on: connection)
            }
            let store = Store(
                PostgresPool.Configuration(url: url, size: 4, applicationName: "tests"),
                logger: TestDatabase.logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await store.run() }
                group.addTask {
                    try await body(StoreFixture(store: store, url: url, connection: connection))
                }
                try await group.next()
                group.cancelAll()
            }
            await connection.close()
        }
    }

    /// Runs what an operator types in psql.
    package func sql(_ text: String) async throws {
        try await connection.script(text, deadline: .now + .seconds(20))
    }

    /// Runs it as nothing but a restore does: without the triggers of these tables.
    package func unguarded(_ tables: String..., sql text: String) async throws {
        for table in tables { try await sql("ALTER TABLE \(table) DISABLE TRIGGER USER") }
        try await sql(text)
        for table in tables {
            try await sql(
                """
                DO $$ DECLARE t name; BEGIN
                FOR t IN SELECT tgname FROM pg_trigger
                    WHERE tgrelid = '\(table)'::regclass AND NOT tgisinternal
                LOOP
                    EXECUTE format('ALTER TABLE \(table) ENABLE %s TRIGGER %I',
                        CASE t WHEN 'apply' THEN 'REPLICA' ELSE 'ALWAYS' END, t);
                END LOOP; END $$
                """)
        }
    }

    /// The first column of a query, as text.
    package func column(_ query: String) async throws -> [String] {
        try await connection.execute(
            Statement<TextRow>("query", "SELECT x::text FROM (\(query)) AS q (x)"),
            deadline: .now + .seconds(20)
        ).map(\.text)
    }

    package func value(_ query: String) async throws -> String {
        try await column(query).first ?? ""
    }

    package struct TextRow: PostgresRow {
        package let text: String

        package init(_ cells: inout Cells) throws(PostgresError) {
            let value: String? = try cells.next()
            text = value ?? "NULL"
        }
    }

    /// Removes what is over, as a process that has just started.
    package func tidy() async throws -> [(table: String, rows: Int64)] {
        var horizon = PurgeHorizon()
        return try await store.tidy(&horizon)
    }

    package static let cause = Cause(reason: "a test", actor: "tests")

    /// Registers a client, and returns it as the store reads it.
    package func client(_ id: String = "app", secret: String = "secret") async throws -> Client {
        try await store.createClient(
            id, id: Self.identifier(),
            ClientRegistration(
                name: id, method: .any, grantTypes: [.clientCredentials],
                scope: Scope(stored: ["a", "b"]), audiences: ["https://api.example"]),
            secretHash: ClientSecret.hash(Redacted(secret)))
        guard let client = try await store.client(id).client else { throw Missing() }
        return client
    }

    /// A client for people's logins.
    package func app(
        _ id: String = "app", scope: [String] = ["a", "b", "offline_access"]
    ) async throws -> Client {
        try await store.createClient(
            id, id: Self.identifier(),
            ClientRegistration(
                name: id, method: .any, grantTypes: [.authorizationCode, .refreshToken],
                redirectURIs: ["https://app.example/cb"], scope: Scope(stored: scope),
                audiences: ["https://api.example"]),
            secretHash: ClientSecret.hash(Redacted("secret")))
        guard let client = try await store.client(id).client else { throw Missing() }
        return client
    }

    package struct Missing: Error {
        package init() {}
    }

    /// A token of a client under key id 1, as the client is now.
    package func token(of client: Client, lifetimeSeconds: Int64 = 300) async throws -> AccessToken
    {
        let now = try await store.client(client.clientID).readAt
        return AccessToken(
            id: Self.identifier(), keyID: 1, subject: .client(client.id, epoch: client.epoch),
            issuedAt: now, expiresAt: now.adding(seconds: lifetimeSeconds),
            scope: client.registration.scope, audience: client.registration.audiences)
    }

    /// Makes key id 1 known.
    package func admitSecret() async throws {
        try await store.admit(ServerSecret("0123456789abcdef0123456789abcdef-a"))
    }

    package func liveness(of token: AccessToken) async throws -> Liveness {
        try await Liveness.of(token, in: store.liveness(of: .access(token)))
    }

    package func isAlive(_ token: AccessToken) async throws -> Bool {
        if case .alive = try await liveness(of: token) { true } else { false }
    }

    /// Ends a client's own token.
    package func end(_ token: AccessToken) async throws -> UnixTime {
        guard case .client(let client, _) = token.subject else { throw Missing() }
        return try await store.revoke(token, of: client, because: Self.cause)
    }

    /// The log of ends: kind, whether it is one, reason and actor.
    package func log() async throws -> [String] {
        try await column(
            "SELECT kind || ' ' || is_end || ' ' || reason || ' ' || actor "
                + "FROM revocations ORDER BY number")
    }

    package static func identifier() -> Identifier {
        var random = SystemRandomNumberGenerator()
        return Identifier(
            milliseconds: UInt64(Date.now.timeIntervalSince1970 * 1000), using: &random)
    }
}

extension StoreError {
    /// Its case's name.
    package var kind: String {
        switch self {
        case .unavailable: "unavailable"
        case .missing: "missing"
        case .conflict: "conflict"
        case .broken: "broken"
        }
    }
}
