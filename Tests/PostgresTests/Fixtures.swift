import Postgres
import Testing

/// A row of one column.
struct One<Value: PostgresValue>: PostgresRow {
    let value: Value

    init(_ cells: inout Cells) throws(PostgresError) {
        value = try cells.next()
    }
}

extension ContinuousClock.Instant {
    /// Long enough for anything that works.
    static var soon: ContinuousClock.Instant { .now + .seconds(10) }
}

enum Sample {
    static let backend = Statement<One<Int32>>("backend", "SELECT pg_backend_pid()")
    static let sleep = Statement<One<Bool>, String>(
        "sleep", "SELECT pg_sleep($1::text::float) IS NOT NULL")
    static let terminate = Statement<One<Bool>, Int32>(
        "terminate", "SELECT pg_terminate_backend($1)")
    static let echo = Statement<One<String>, String>("echo", "SELECT $1::text")
    static let all: [any PreparableStatement] = [backend, sleep, terminate, echo]
}

/// Runs a body that must fail, and returns the error.
func failure<T>(
    _ body: () async throws(PostgresError) -> T, _ location: SourceLocation = #_sourceLocation
) async -> PostgresError? {
    do {
        _ = try await body()
        Issue.record("it did not fail", sourceLocation: location)
        return nil
    } catch {
        return error
    }
}

extension PostgresError {
    var isUnavailable: Bool { if case .unavailable = self { true } else { false } }
    var isOutcomeUnknown: Bool { if case .outcomeUnknown = self { true } else { false } }
    var isUndecodable: Bool { if case .undecodable = self { true } else { false } }
    var refusedState: String? { if case .refused(let state, _, _) = self { state } else { nil } }
}
