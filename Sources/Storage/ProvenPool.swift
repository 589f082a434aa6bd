import OAuth
import Postgres

/// The pool, and who says whether what a server answered is certain.
struct ProvenPool: Sendable {
    let pool: PostgresPool
    let authority: any Authority

    /// Runs a statement whose rows begin with the server's identity, and returns them once that server
    /// is proven.
    func rows<Row: PostgresRow, each Input: PostgresValue>(
        _ statement: Statement<Proven<Row>, repeat each Input>, _ input: repeat each Input,
        by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [Proven<Row>] {
        let rows = try await pool.execute(statement, repeat each input, deadline: deadline)
        if let first = rows.first { try await prove(first.primary, by: deadline) }
        return rows
    }

    /// The same for a statement whose commit must be certain: an outcome that is unknown is tried again,
    /// since ending something twice ends it, until the deadline.
    /// - Parameter onRepeat: called before each repeat, since what came before may have been done.
    func committedRows<Row: PostgresRow, each Input: PostgresValue>(
        _ statement: Statement<Proven<Row>, repeat each Input>, _ input: repeat each Input,
        by deadline: ContinuousClock.Instant, onRepeat: () -> Void = {}
    ) async throws(PostgresError) -> [Proven<Row>] {
        var attempts = 0
        while true {
            attempts += 1
            do {
                return try await rows(statement, repeat each input, by: deadline)
            } catch .outcomeUnknown(let reason) {
                guard attempts < 3, .now < deadline else { throw .outcomeUnknown(reason) }
                onRepeat()
            }
        }
    }

    /// The authority's verdict, as an error of the database's.
    private func prove(
        _ primary: Primary, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) {
        do {
            try await authority.prove(primary, by: deadline)
        } catch {
            throw .unavailable(error.description)
        }
    }
}

extension Array {
    /// The rows, if there is one for each request.
    func counted<Row: PostgresRow, each Input: PostgresValue>(
        _ count: Int, of statement: Statement<Proven<Row>, repeat each Input>
    ) throws(PostgresError) -> Self where Element == Proven<Row> {
        guard self.count == count else {
            throw .undecodable("\(statement.name): \(self.count) rows for \(count) requests")
        }
        return self
    }
}
