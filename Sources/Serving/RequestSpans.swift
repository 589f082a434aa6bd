import Tracing

/// Tells a tracing system of answered requests: a span of the server for each, below the one that the
/// request names (W3C Trace Context), with the names of OpenTelemetry's conventions for HTTP.
///
/// It speaks to whatever was bootstrapped with swift-distributed-tracing; Doornail itself exports
/// nothing, and without a tracer nothing is done. A span is made when its request was answered, so that
/// APIs and pages make the same.
struct RequestSpans: Sendable {
    private let tracer: (any Tracer)?

    init(_ tracer: any Tracer) {
        self.tracer = tracer is NoOpTracer ? nil : tracer
    }

    func answered(_ record: AccessRecord, route: String?) {
        guard let tracer else { return }
        var context = ServiceContext.topLevel
        var carrier: [String: String] = [:]
        carrier["traceparent"] = record.traceParent
        carrier["tracestate"] = record.traceState
        tracer.extract(carrier, into: &context, using: Reader())
        let end = DefaultTracerClock.now
        let took = UInt64(clamping: AccessText.nanoseconds(record.duration ?? .zero))
        let start = DefaultTracerClock.Timestamp(
            nanosecondsSinceEpoch: end.nanosecondsSinceEpoch - min(took, end.nanosecondsSinceEpoch))
        let method = AccessText.harmless(record.method, limit: 32)
        let span = tracer.startSpan(
            route.map { "\(method) \($0)" } ?? method, context: context, ofKind: .server, at: start)
        span.updateAttributes { attributes in
            attributes["http.request.method"] = method
            attributes["http.response.status_code"] = record.status
            attributes["url.path"] = TokenMask.masked(AccessText.path(record.path))
            attributes["doornail.request_id"] = record.requestID
            attributes["doornail.outcome"] = record.outcomeName
            if let route { attributes["http.route"] = route }
            if let address = record.address { attributes["client.address"] = address }
            if record.status >= 500 { attributes["error.type"] = "\(record.status)" }
        }
        if record.status >= 500 { span.setStatus(SpanStatus(code: .error)) }
        span.end(at: end)
    }

    private struct Reader: Extractor {
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    }
}
