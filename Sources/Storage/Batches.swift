import Postgres
import Synchronization

/// A request that is done together with others of its kind, in one statement.
protocol BatchedRequest: Hashable, Sendable {
    associatedtype Outcome: Sendable

    /// The value of the label `batch` in metrics.
    static var batch: String { get }

    /// Does some, and says in their order what came of each.
    static func perform(
        _ requests: [Self], on database: ProvenPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [Outcome]
}

/// A batcher for each kind of request. It is made when the first one comes, so that a feature is batched
/// by saying so where its statement is, and nothing here names it.
final class Batches: Sendable {
    private let database: ProvenPool
    private let batchers = Mutex<[ObjectIdentifier: any Sendable]>([:])

    init(on database: ProvenPool) {
        self.database = database
    }

    /// Has a request done in the next batch of its kind.
    func perform<Request: BatchedRequest>(
        _ request: Request, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> Request.Outcome {
        try await batcher(of: Request.self).perform(request, deadline: deadline)
    }

    private func batcher<Request: BatchedRequest>(
        of kind: Request.Type
    ) -> Batcher<Request, Request.Outcome> {
        batchers.withLock { batchers in
            let key = ObjectIdentifier(kind)
            if let batcher = batchers[key] as? Batcher<Request, Request.Outcome> { return batcher }
            let database = database
            let batcher = Batcher<Request, Request.Outcome>(label: Request.batch) {
                (requests, deadline) async throws(PostgresError) in
                try await Request.perform(requests, on: database, by: deadline)
            }
            batchers[key] = batcher
            return batcher
        }
    }
}
