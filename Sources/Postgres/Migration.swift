/// One step of the schema: a plain SQL file, run once, forward only.
package struct Migration: Sendable, Equatable {
    /// Its number; migrations run in the order of their numbers.
    package let version: Int
    /// Its name, which people know the file by, such as `0001_clients`.
    package let name: String
    package let sql: String
    /// SHA-256 of the file, so that one that was edited after it ran is noticed.
    package let checksum: [UInt8]

    package init(version: Int, name: String, sql: String, checksum: [UInt8]) {
        self.version = version
        self.name = name
        self.sql = sql
        self.checksum = checksum
    }
}

/// How a database stands to the migrations of this binary.
package struct MigrationStatus: Sendable, Equatable {
    package var applied: [Migration] = []
    package var pending: [Migration] = []
    /// Names of what the database has and this binary does not know: the binary is older.
    package var unknown: [String] = []
    /// Those whose file is not the one that ran.
    package var edited: [Migration] = []

    /// Whether the database is what this binary was made for.
    package var isCurrent: Bool { pending.isEmpty && unknown.isEmpty && edited.isEmpty }
}

/// Why a database was not brought up to date; nothing was changed unless the outcome is unknown.
package enum MigrationError: Error, Sendable, CustomStringConvertible {
    case edited([String])
    case newer([String])
    case failed(name: String, message: String)
    case database(PostgresError)

    package var description: String {
        switch self {
        case .edited(let names):
            "\(names.joined(separator: ", ")): the file was edited after it was applied to this "
                + "database; restore the file as it was, and write the change as a new migration"
        case .newer(let names):
            "the database has migrations that this binary does not know "
                + "(\(names.joined(separator: ", "))): it is older than the database; use the newer one"
        case .failed(let name, let message):
            "migration \(name) failed, and nothing was changed: \(message)"
        case .database(.outcomeUnknown(let reason)):
            "it is unknown whether the migrations were applied; run it again to see: \(reason)"
        case .database(let error):
            error.description
        }
    }
}
