import InMemoryTracing
import Logging
import Testing
import Tracing

@testable import Web

/// A span for each answered request, by whichever path it was answered.
@Suite struct RequestSpansTests {
    private let tracer = InMemoryTracer()
    private let quiet: Logger = {
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        return logger
    }()

    private func record(status: Int) -> AccessRecord {
        AccessRecord(
            method: "POST", path: "/introspect?token=secret", endpoint: "/introspect",
            status: status, duration: .milliseconds(3), address: "192.0.2.7", requestID: "one",
            outcome: status == 200 ? "active" : nil,
            traceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            traceState: "vendor=value")
    }

    private func texts(_ span: FinishedInMemorySpan) -> [String: String] {
        var texts: [String: String] = [:]
        span.attributes.forEach { texts[$0] = "\($1)" }
        return texts
    }

    @Test func bothPathsMakeTheSame() throws {
        let recorder = AccessRecorder(tracer: tracer)
        recorder.answered(record(status: 200), logger: quiet)
        let pair = recorder.pair(
            endpoint: "/introspect", method: "POST", status: 200, outcome: "active")
        recorder.answered(pair, after: .milliseconds(3), logger: quiet) { record(status: 200) }
        let spans = tracer.finishedSpans
        try #require(spans.count == 2 && tracer.activeSpans.isEmpty)
        for span in spans {
            #expect(span.operationName == "POST /introspect")
            #expect(span.kind == .server)
            #expect(span.status == nil)
            let (start, end) = (span.startInstant, span.endInstant)
            #expect(end.nanosecondsSinceEpoch - start.nanosecondsSinceEpoch == 3_000_000)
            #expect(span.attributes.get("http.request.method") == .string("POST"))
            #expect(span.attributes.get("http.response.status_code") == .int64(200))
            #expect(span.attributes.get("http.route") == .string("/introspect"))
            #expect(span.attributes.get("url.path") == .string("/introspect"))
            #expect(span.attributes.get("client.address") == .string("192.0.2.7"))
            #expect(span.attributes.get("doornail.request_id") == .string("one"))
            #expect(span.attributes.get("doornail.outcome") == .string("active"))
        }
        #expect(texts(spans[0]) == texts(spans[1]))
    }

    /// The tracer is given what the request says that it belongs to.
    @Test func theParentIsHandedOver() throws {
        AccessRecorder(tracer: tracer).answered(record(status: 200), logger: quiet)
        let extraction = try #require(tracer.performedContextExtractions.first)
        let carrier = try #require(extraction.carrier as? [String: String])
        #expect(
            carrier == [
                "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "tracestate": "vendor=value",
            ])
    }

    @Test(arguments: [(400, false), (503, true)])
    func onlyOurFailuresAreErrors(status: Int, isError: Bool) throws {
        AccessRecorder(tracer: tracer).answered(record(status: status), logger: quiet)
        let span = try #require(tracer.finishedSpans.first)
        #expect((span.status?.code == .error) == isError)
        #expect((span.attributes.get("error.type") != nil) == isError)
    }

    /// What no route saw has a span, too; without a tracer there is nothing to make one for.
    @Test func rejections() {
        AccessRecorder(tracer: tracer).rejected(
            .headerTooLarge, method: nil, path: nil, requestID: "one", address: nil, logger: quiet)
        #expect(tracer.finishedSpans.map(\.operationName) == ["-"])
        let recorder = AccessRecorder(tracer: NoOpTracer())
        let pair = recorder.pair(endpoint: "/token", method: "POST", status: 200, outcome: "ok")
        recorder.answered(pair, after: .zero, logger: quiet) {
            Issue.record("nobody wants it")
            return record(status: 200)
        }
    }
}
