import HTTPTypes
import Logging
package import Metrics
import Synchronization
package import Tracing

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

    private let log: AccessLog
    private let metrics: any MetricsFactory
    private let spans: RequestSpans
    private let quietPaths: Set<String>
    private let endpoints: Set<String>
    /// Kept here, since asking the factory for one costs more than counting.
    private let instruments = Mutex(Instruments())

    /// - Parameters:
    ///   - endpoints: the paths that have routes
    ///   - quiet: those that machines poll, whose lines are for debugging alone
    package init(
        log: AccessLog = AccessLog(), metrics: any MetricsFactory = MetricsSystem.factory,
        tracer: any Tracer = InstrumentationSystem.tracer, endpoints: Set<String> = [],
        quiet: Set<String> = ["/health/live", "/health/ready", "/metrics"]
    ) {
        self.log = log
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

    package func answered(_ record: AccessRecord) {
        let endpoint = endpoint(of: record)
        count(record, endpoint)
        spans.answered(record, route: endpoint)
        let level = level(of: record)
        if log.isWritten(at: level) { log.write(record, endpoint: endpoint, at: level) }
    }

    /// A request that no route ever saw.
    func rejected(
        _ rejection: Rejection, method: String?, path: String?, requestID: String, address: String?
    ) {
        var record = AccessRecord(
            method: method ?? "-", path: path ?? "-", status: Int(rejection.status.code),
            address: address, requestID: requestID)
        record.notes.error = rejection.rawValue
        answered(record)
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
    private func count(_ record: AccessRecord, _ endpoint: String?) {
        let endpoint = endpoint ?? "other"
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
