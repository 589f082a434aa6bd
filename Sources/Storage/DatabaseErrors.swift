package import OAuth
package import Postgres

extension StoreError {
    package init(_ error: PostgresError) {
        switch error {
        case .unavailable(let reason): self = .unavailable(reason)
        case .outcomeUnknown(let reason): self = .unavailable("the outcome is unknown: \(reason)")
        // Something hangs on it: a trigger's words are for whoever asked.
        case .refused("55006", let message, _): self = .conflict(.refused(message))
        case .refused(let sqlState, let message, _): self = .broken("\(sqlState): \(message)")
        case .undecodable(let reason): self = .broken(reason)
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
