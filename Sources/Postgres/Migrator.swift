/// Brings a database up to date, all pending migrations in one transaction.
///
/// An advisory lock is held until the commit, so that ten that start at the same time take turns, and what
/// was applied is read after it was granted.
package struct Migrator: Sendable {
    private let migrations: [Migration]

    package init(migrations: [Migration]) {
        self.migrations = migrations.sorted { $0.version < $1.version }
    }

    /// What is applied and what is pending. It changes nothing.
    package func status(
        on connection: PostgresConnection
    ) async throws(MigrationError) -> MigrationStatus {
        do {
            let deadline = ContinuousClock.now + .seconds(5)
            let hasTable = try await connection.execute(AppliedTable.exists, deadline: deadline)
            guard hasTable.first?.exists == true else { return compare([]) }
            return compare(try await connection.execute(AppliedRow.list, deadline: deadline))
        } catch {
            throw .database(error)
        }
    }

    /// Applies what is pending; returns it, in order.
    package func migrate(
        on connection: PostgresConnection
    ) async throws(MigrationError) -> [Migration] {
        do {
            let applied = try await migrateInTransaction(on: connection)
            try await finish(connection, applied)
            return applied
        } catch {
            // Nothing to add if this fails too: the connection's end rolls back as well.
            if await connection.isOpen {
                try? await connection.script("ROLLBACK", deadline: .now + Self.patience)
            }
            throw error
        }
    }

    private func finish(
        _ connection: PostgresConnection, _ applied: [Migration]
    ) async throws(MigrationError) {
        do {
            try await connection.script("COMMIT", deadline: .now + Self.patience)
        } catch .refused(_, let message, _) {
            // A constraint that is checked at the commit.
            throw .failed(
                name: applied.map(\.name).joined(separator: ", "), message: message)
        } catch {
            throw .database(error)
        }
    }

    private func migrateInTransaction(
        on connection: PostgresConnection
    ) async throws(MigrationError) -> [Migration] {
        let status: MigrationStatus
        do {
            let deadline = ContinuousClock.now + Self.patience
            try await connection.script(Self.opening, deadline: deadline)
            if try await connection.execute(AppliedTable.exists, deadline: deadline)
                .first?.exists != true
            {
                try await connection.script(AppliedTable.creation, deadline: deadline)
            }
            status = compare(try await connection.execute(AppliedRow.list, deadline: deadline))
        } catch {
            throw .database(error)
        }
        guard status.edited.isEmpty else { throw .edited(status.edited.map(\.name)) }
        guard status.unknown.isEmpty else { throw .newer(status.unknown) }
        for migration in status.pending {
            try await apply(migration, on: connection)
        }
        return status.pending
    }

    private func apply(
        _ migration: Migration, on connection: PostgresConnection
    ) async throws(MigrationError) {
        do {
            try await connection.script(migration.sql, deadline: .now + Self.patience)
            guard await connection.isInTransaction else {
                throw MigrationError.failed(
                    name: migration.name,
                    message: "the file ends the transaction; leave out BEGIN, COMMIT and ROLLBACK")
            }
            _ = try await connection.execute(
                AppliedRow.insert, Int32(clamping: migration.version), migration.name,
                migration.checksum, deadline: .now + Self.patience)
        } catch let error as MigrationError {
            throw error
        } catch PostgresError.refused(let sqlState, let message, _) {
            throw .failed(name: migration.name, message: "\(message) (\(sqlState))")
        } catch let error as PostgresError {
            // Before the COMMIT nothing is unknown: without one it is rolled back.
            throw .failed(name: migration.name, message: error.description)
        } catch {
            throw .failed(name: migration.name, message: "\(error)")
        }
    }

    private func compare(_ rows: [AppliedRow]) -> MigrationStatus {
        var status = MigrationStatus()
        let known = Set(migrations.map(\.version))
        let applied = Dictionary(
            rows.map { (Int($0.version), $0) }, uniquingKeysWith: { first, _ in first })
        for migration in migrations {
            if let row = applied[migration.version] {
                status.applied.append(migration)
                if row.checksum != migration.checksum { status.edited.append(migration) }
            } else {
                status.pending.append(migration)
            }
        }
        status.unknown = rows.filter { !known.contains(Int($0.version)) }.map(\.name)
        return status
    }

    /// How long one step may take: adding an index to a large table takes its time.
    private static let patience = Duration.seconds(900)

    /// Waits up to a minute for another migrator, then at most ten seconds for any lock on a table,
    /// since all requests to it would queue behind.
    private static let opening = """
        BEGIN ISOLATION LEVEL READ COMMITTED;
        SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
        SET LOCAL statement_timeout = 0;
        SET LOCAL idle_in_transaction_session_timeout = 0;
        SET LOCAL lock_timeout = '60s';
        SELECT pg_advisory_xact_lock(\(advisoryLock));
        SET LOCAL lock_timeout = '10s';
        """

    /// Any number that nobody else uses in the database: "doornail" in ASCII.
    private static let advisoryLock: Int64 = 0x646f_6f72_6e61_696c
}

/// The table of applied migrations.
private struct AppliedTable: PostgresRow {
    let exists: Bool

    init(_ cells: inout Cells) throws(PostgresError) {
        exists = try cells.next()
    }

    static let exists = Statement<AppliedTable>(
        "migrations_table", "SELECT to_regclass('schema_migrations') IS NOT NULL")

    static let creation = """
        CREATE TABLE schema_migrations (
            version integer PRIMARY KEY,
            name text NOT NULL,
            checksum bytea NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );
        COMMENT ON TABLE schema_migrations IS 'The files of migrations/ that were applied.'
        """
}

/// A migration that was applied, as the database remembers it.
private struct AppliedRow: PostgresRow {
    let version: Int32
    let name: String
    let checksum: [UInt8]

    init(_ cells: inout Cells) throws(PostgresError) {
        version = try cells.next()
        name = try cells.next()
        checksum = try cells.next()
    }

    static let list = Statement<AppliedRow>(
        "migrations_list", "SELECT version, name, checksum FROM schema_migrations ORDER BY version")

    static let insert = Statement<NoRow, Int32, String, [UInt8]>(
        "migrations_insert",
        "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)")
}
