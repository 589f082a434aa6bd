import InMemoryTracing
import Logging
import Testing
import Tracing

@testable import Serving
@testable import Web

/// A span for each answered request.
@Suite struct RequestSpansTests {
    private let tracer = InMemoryTracer()
    private var recorder: AccessRecorder {
        AccessRecorder(log: AccessLog(LogOutput(level: .critical)), tracer: tracer)
    }

    private func record(status: Int) -> AccessRecord {
        var record = AccessRecord(
            method: "POST", path: "/introspect?token=secret", endpoint: "/introspect",
            status: status, duration: .milliseconds(3), address: "192.0.2.7", requestID: "one",
            traceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            traceState: "vendor=value")
        if status == 200 { record.notes.outcome = "active" }
        return record
    }

    @Test func aRequestIsASpan() throws {
        recorder.answered(record(status: 200))
        let spans = tracer.finishedSpans
        try #require(spans.count == 1 && tracer.activeSpans.isEmpty)
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
    }

    /// The tracer is given what the request says that it belongs to.
    @Test func theParentIsHandedOver() throws {
        recorder.answered(record(status: 200))
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
        recorder.answered(record(status: status))
        let span = try #require(tracer.finishedSpans.first)
        #expect((span.status?.code == .error) == isError)
        #expect((span.attributes.get("error.type") != nil) == isError)
    }

    /// What no route saw has a span, too.
    @Test func rejections() {
        recorder.rejected(
            .headerTooLarge, method: nil, path: nil, requestID: "one", address: nil)
        #expect(tracer.finishedSpans.map(\.operationName) == ["-"])
    }
}
