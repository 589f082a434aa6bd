import Foundation
import Logging
import OAuth
import Postgres
import Storage
import TestSupport

/// A store on a migrated schema of its own, and a connection beside it for what an operator does.
struct StoreFixture: Sendable {
    let store: Store
    let url: String
    let connection: PostgresConnection

    static func with(_ body: @escaping @Sendable (StoreFixture) async throws -> Void) async throws {
        try await TestDatabase.with { database in
            let url = database.url
            let connection = try await PostgresConnection.open(
                url: url, applicationName: "tests", statements: [],
                deadline: .now + .seconds(10))
            _ = try await Migrator(migrations: Migrations.all).migrate(on: connection)
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
    func sql(_ text: String) async throws {
        try await connection.script(text, deadline: .now + .seconds(20))
    }

    /// The first column of a query, as text.
    func column(_ query: String) async throws -> [String] {
        try await connection.execute(
            Statement<TextRow>("query", "SELECT x::text FROM (\(query)) AS q (x)"),
            deadline: .now + .seconds(20)
        ).map(\.text)
    }

    func value(_ query: String) async throws -> String {
        try await column(query).first ?? ""
    }

    struct TextRow: PostgresRow {
        let text: String

        init(_ cells: inout Cells) throws(PostgresError) {
            let value: String? = try cells.next()
            text = value ?? "NULL"
        }
    }

    static let cause = Cause(reason: "a test", actor: "tests")

    /// Registers a client, and returns it as the store reads it.
    func client(_ id: String = "app", secret: String = "secret") async throws -> Client {
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
    func app(
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

    struct Missing: Error {}

    /// A token of a client under key id 1, as the client is now.
    func token(of client: Client, lifetimeSeconds: Int64 = 300) async throws -> AccessToken {
        let now = try await store.client(client.clientID).readAt
        return AccessToken(
            id: Self.identifier(), keyID: 1, subject: .client(client.id, epoch: client.epoch),
            issuedAt: now, expiresAt: now.adding(seconds: lifetimeSeconds), scope: client.scope,
            audience: client.audiences)
    }

    /// Makes key id 1 known.
    func admitSecret() async throws {
        try await store.admit(ServerSecret("0123456789abcdef0123456789abcdef-a"))
    }

    func liveness(of token: AccessToken) async throws -> Liveness {
        try await Liveness.of(token, in: store.liveness(of: .access(token)))
    }

    func isAlive(_ token: AccessToken) async throws -> Bool {
        if case .alive = try await liveness(of: token) { true } else { false }
    }

    /// Ends a client's own token.
    func end(_ token: AccessToken) async throws -> UnixTime {
        guard case .client(let client, _) = token.subject else { throw Missing() }
        return try await store.revoke(token, of: client, because: Self.cause)
    }

    /// The log of ends: kind, whether it is one, reason and actor.
    func log() async throws -> [String] {
        try await column(
            "SELECT kind || ' ' || is_end || ' ' || reason || ' ' || actor "
                + "FROM revocations ORDER BY number")
    }

    static func identifier() -> Identifier {
        var random = SystemRandomNumberGenerator()
        return Identifier(
            milliseconds: UInt64(Date.now.timeIntervalSince1970 * 1000), using: &random)
    }
}

extension StoreError {
    /// Its case's name.
    var kind: String {
        switch self {
        case .unavailable: "unavailable"
        case .missing: "missing"
        case .conflict: "conflict"
        case .broken: "broken"
        }
    }
}
