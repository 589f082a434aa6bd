import Metrics

/// What the pool counts. The handles are made once: making one is a look-up under a lock.
struct PoolMetrics: Sendable {
    private let timers: [String: Timer]
    private let errors: [String: Counter]
    private let open = PoolMetrics.connections("open")
    private let idle = PoolMetrics.connections("idle")
    private let waiting = Gauge(label: "doornail_postgres_waiting")

    init(statements: [any PreparableStatement]) {
        timers = Dictionary(
            statements.map { statement in
                let timer = Timer(
                    label: "doornail_postgres_statement_seconds",
                    dimensions: [("statement", statement.name)])
                return (statement.name, timer)
            }, uniquingKeysWith: { first, _ in first })
        errors = Dictionary(
            uniqueKeysWithValues: PostgresError.kinds.map { kind in
                let counter = Counter(
                    label: "doornail_postgres_errors_total", dimensions: [("kind", kind)])
                return (kind, counter)
            })
    }

    private static func connections(_ state: String) -> Gauge {
        Gauge(label: "doornail_postgres_connections", dimensions: [("state", state)])
    }

    func record(_ status: PoolStatus) {
        open.record(status.open)
        idle.record(status.idle)
        waiting.record(status.waiting)
    }

    func record(_ statement: String, took duration: Duration) {
        timers[statement]?.recordNanoseconds(Int64(duration / .nanoseconds(1)))
    }

    func count(_ error: PostgresError) {
        errors[error.kind]?.increment()
    }
}
