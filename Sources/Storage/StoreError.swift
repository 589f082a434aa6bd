package import Postgres

/// Why the store gave no answer.
package enum StoreError: Error, Sendable, CustomStringConvertible {
    /// It cannot answer now, or may have done something and cannot say: ask again.
    case unavailable(String)
    /// What was named does not exist.
    case missing(String)
    /// What was asked contradicts what is there.
    case conflict(String)
    /// A statement was refused or its answer did not fit: a defect.
    case broken(String)

    package init(_ error: PostgresError) {
        switch error {
        case .unavailable(let reason): self = .unavailable(reason)
        case .outcomeUnknown(let reason): self = .unavailable("the outcome is unknown: \(reason)")
        // Something hangs on it: a trigger's words are for whoever asked.
        case .refused("55006", let message, _): self = .conflict(message)
        case .refused(let sqlState, let message, _): self = .broken("\(sqlState): \(message)")
        case .undecodable(let reason): self = .broken(reason)
        }
    }

    package var description: String {
        switch self {
        case .unavailable(let reason), .missing(let reason), .conflict(let reason),
            .broken(let reason):
            reason
        }
    }

    /// Does something with the database, and says in the store's words why it failed.
    static func translating<Value>(
        _ work: () async throws(PostgresError) -> Value
    ) async throws(StoreError) -> Value {
        do {
            return try await work()
        } catch {
            throw StoreError(error)
        }
    }
}
