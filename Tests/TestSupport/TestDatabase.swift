package import Logging
package import Postgres

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A schema of its own in the cluster that the tests run beside, so that tests run side by side.
package struct TestDatabase: Sendable {
    package let schema: String
    /// The URL of the database, with the schema as its search path.
    package let url: String

    /// Why there is no database for the tests.
    package struct Missing: Error, CustomStringConvertible {
        package let description: String
    }

    /// The cluster of the tests, which `scripts/with-postgres` starts.
    package static func clusterURL() throws -> String {
        guard let url = ProcessInfo.processInfo.environment["DOORNAIL_TEST_DATABASE_URL"] else {
            throw Missing(
                description:
                    "DOORNAIL_TEST_DATABASE_URL is not set: run the tests with `make test`.")
        }
        return url
    }

    /// Gives a new schema to a test. It is not dropped: the cluster goes as a whole, and a
    /// connection that a test left behind would deadlock with it.
    package static func with<T>(
        _ body: (TestDatabase) async throws -> T
    ) async throws -> T {
        let clusterURL = try clusterURL()
        let schema = "test_\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        let owner = try await PostgresConnection.open(
            url: clusterURL, applicationName: "test-owner", deadline: .now + .seconds(10))
        try await owner.script("CREATE SCHEMA \(schema)", deadline: .now + .seconds(10))
        await owner.close()
        return try await body(
            TestDatabase(schema: schema, url: url(clusterURL, searchPath: schema)))
    }

    package static func url(_ url: String, searchPath: String) -> String {
        "\(url)\(url.contains("?") ? "&" : "?")options=-csearch_path%3D\(searchPath)"
    }

    /// A connection to the schema.
    package func connect(
        statements: [any PreparableStatement] = []
    ) async throws -> PostgresConnection {
        try await PostgresConnection.open(
            url: url, applicationName: schema, statements: statements,
            deadline: .now + .seconds(10))
    }

    /// Runs a script on a connection of its own.
    package func script(_ sql: String) async throws {
        let connection = try await connect()
        try await connection.script(sql, deadline: .now + .seconds(30))
        await connection.close()
    }

    /// Gives a running pool to a test, and stops it afterwards.
    package func withPool<T: Sendable>(
        url: String? = nil, size: Int = 2, maximumLifetime: Duration = .seconds(1800),
        maximumWaiters: Int = 1024, connectTimeout: Duration = .seconds(3),
        statements: [any PreparableStatement] = [], logger: Logger = TestDatabase.logger,
        _ body: (PostgresPool) async throws -> T
    ) async throws -> T {
        let pool = PostgresPool(
            PostgresPool.Configuration(
                url: url ?? self.url, size: size, maximumLifetime: maximumLifetime,
                maximumWaiters: maximumWaiters, applicationName: schema,
                connectTimeout: connectTimeout),
            statements: statements, logger: logger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await pool.run() }
            let result: T
            do {
                result = try await body(pool)
            } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
            return result
        }
    }

    /// A logger that says nothing.
    package static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}
