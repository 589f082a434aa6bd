import HTTPTypes
import Logging
package import Metrics
import Synchronization
package import Tracing

/// One request and how it was answered, as the access log tells it. No query, no secret.
struct AccessRecord: Sendable {
    var method: String
    var path: String
    /// The route's template; nil where no route matched.
    var endpoint: String?
    var status: Int
    var duration: Duration?
    var address: String?
    var requestID: String
    var clientID: String?
    var sid: String?
    var grant: String?
    var outcome: String?
    var error: String?
    var bytes: Int?
    /// What the request belongs to, as it says (W3C Trace Context §3).
    var traceParent: String?
    var traceState: String?

    /// `ok`, `refused` or `failed`, unless the endpoint has a better word.
    var outcomeName: String {
        if let outcome { return outcome }
        return switch status {
        case ..<400: "ok"
        case ..<500: "refused"
        default: "failed"
        }
    }
}

/// Writes the access log, counts requests and tells a tracing system of them, whether a route answered
/// or the connection refused.
package final class AccessRecorder: Sendable {
    private struct CountKey: Hashable {
        let endpoint: String
        let method: String
        let status: Int
    }

    private struct TimeKey: Hashable {
        let endpoint: String
        let outcome: String
    }

    private struct Instruments {
        var counts: [CountKey: Counter] = [:]
        var times: [TimeKey: Metrics.Timer] = [:]
    }

    private let metrics: any MetricsFactory
    private let spans: RequestSpans
    private let quietPaths: Set<String>
    private let endpoints: Set<String>
    /// Kept here, since asking the factory for one costs more than counting.
    private let instruments = Mutex(Instruments())

    /// `endpoints` are the paths that have routes, `quiet` those that machines poll, whose lines are for debugging only.
    package init(
        metrics: any MetricsFactory = MetricsSystem.factory,
        tracer: any Tracer = InstrumentationSystem.tracer, endpoints: Set<String> = [],
        quiet: Set<String> = ["/health/live", "/health/ready", "/metrics"]
    ) {
        self.endpoints = endpoints
        self.metrics = metrics
        spans = RequestSpans(tracer)
        quietPaths = quiet
        if let prometheus = metrics as? PrometheusMetrics {
            prometheus.describe(Self.countName, "Answered requests.")
            prometheus.describe(Self.timeName, "From a complete request to its answer.")
        }
    }

    private static let countName = "doornail_http_requests_total"
    private static let timeName = "doornail_http_request_seconds"

    func answered(_ record: AccessRecord, logger: Logger) {
        count(record)
        spans.answered(record, route: endpoint(of: record))
        let level = level(of: record)
        guard level >= logger.logLevel else { return }
        write(record, at: level, logger)
    }

    private func write(_ record: AccessRecord, at level: Logger.Level, _ logger: Logger) {
        var metadata: Logger.Metadata = [
            "method": .string(AccessText.harmless(record.method, limit: 32)),
            "path": .string(AccessText.path(record.path)),
            "status": .stringConvertible(record.status),
            "request_id": .string(record.requestID),
            "outcome": .string(record.outcomeName),
        ]
        metadata["endpoint"] = endpoint(of: record).map { .string($0) }
        metadata["duration_ms"] = record.duration.map { .string(AccessText.milliseconds($0)) }
        metadata["address"] = record.address.map { .string($0) }
        metadata["client_id"] = record.clientID.map {
            .string(AccessText.harmless($0, limit: 255))
        }
        metadata["sid"] = record.sid.map { .string($0) }
        metadata["grant"] = record.grant.map { .string($0) }
        metadata["error"] = record.error.map { .string(AccessText.harmless($0, limit: 500)) }
        metadata["bytes"] = record.bytes.map { .stringConvertible($0) }
        metadata["trace_id"] = record.traceParent.flatMap(TraceParent.traceID).map { .string($0) }
        logger.log(level: level, "request", metadata: metadata)
    }

    /// What counts the answers of one kind.
    struct Pair: Sendable {
        fileprivate let counter: Counter
        fileprivate let timer: Metrics.Timer
    }

    func pair(endpoint: String, method: String, status: Int, outcome: String) -> Pair {
        instruments.withLock { instruments in
            let countKey = CountKey(endpoint: endpoint, method: method, status: status)
            let timeKey = TimeKey(endpoint: endpoint, outcome: outcome)
            return Pair(
                counter: instruments.counts[countKey] ?? makeCounter(countKey, &instruments),
                timer: instruments.times[timeKey] ?? makeTimer(timeKey, &instruments))
        }
    }

    /// An answer of a kind that was asked for before; its record is made only if somebody wants it.
    func answered(
        _ pair: Pair, after duration: Duration, logger: Logger, record: () -> AccessRecord
    ) {
        pair.counter.increment()
        pair.timer.recordNanoseconds(AccessText.nanoseconds(duration))
        let isLogged = logger.logLevel <= .info
        guard isLogged || spans.areWanted else { return }
        let record = record()
        spans.answered(record, route: record.endpoint)
        if isLogged { write(record, at: .info, logger) }
    }

    /// A request that no route ever saw.
    func rejected(
        _ rejection: Rejection, method: String?, path: String?, requestID: String, address: String?,
        logger: Logger
    ) {
        answered(
            AccessRecord(
                method: method ?? "-", path: path ?? "-", status: Int(rejection.status.code),
                address: address, requestID: requestID, error: rejection.rawValue),
            logger: logger)
    }

    /// The route, also where the request was refused before it reached one.
    private func endpoint(of record: AccessRecord) -> String? {
        let path = AccessText.withoutQuery(record.path)
        if endpoints.contains(path) { return path }
        return record.endpoint == "NotFound" ? nil : record.endpoint
    }

    private func level(of record: AccessRecord) -> Logger.Level {
        if record.status >= 500 { return .error }
        return quietPaths.contains(AccessText.withoutQuery(record.path)) ? .debug : .info
    }

    /// Labels come from small sets: templates, a list of methods, statuses, outcomes.
    private func count(_ record: AccessRecord) {
        let endpoint = endpoint(of: record) ?? "other"
        let countKey = CountKey(
            endpoint: endpoint,
            method: Self.methods.contains(record.method) ? record.method : "other",
            status: record.status)
        let timeKey = TimeKey(endpoint: endpoint, outcome: record.outcomeName)
        let (counter, timer) = instruments.withLock { instruments in
            (
                instruments.counts[countKey] ?? makeCounter(countKey, &instruments),
                record.duration.map { _ in
                    instruments.times[timeKey] ?? makeTimer(timeKey, &instruments)
                }
            )
        }
        counter.increment()
        if let timer, let duration = record.duration {
            timer.recordNanoseconds(AccessText.nanoseconds(duration))
        }
    }

    private func makeCounter(_ key: CountKey, _ instruments: inout Instruments) -> Counter {
        let counter = Counter(
            label: Self.countName,
            dimensions: [
                ("endpoint", key.endpoint), ("method", key.method), ("status", "\(key.status)"),
            ], factory: metrics)
        instruments.counts[key] = counter
        return counter
    }

    private func makeTimer(_ key: TimeKey, _ instruments: inout Instruments) -> Metrics.Timer {
        let timer = Metrics.Timer(
            label: Self.timeName,
            dimensions: [("endpoint", key.endpoint), ("outcome", key.outcome)],
            preferredDisplayUnit: .seconds, factory: metrics)
        instruments.times[key] = timer
        return timer
    }

    private static let methods: Set = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE",
    ]
}
