import HTTPTypes
import Logging
import NIOHTTP1

/// One request and how it was answered, as the access log tells it. No query, no secret.
package struct AccessRecord: Sendable {
    package var method: String
    package var path: String
    /// The route's template; nil where no route matched.
    package var endpoint: String?
    package var status: Int
    package var duration: Duration?
    package var address: String?
    package var requestID: String
    package var notes = RequestNotes()
    package var bytes: Int?
    /// What the request belongs to, as it says (W3C Trace Context §3).
    package var traceParent: String?
    package var traceState: String?

    package init(
        method: String, path: String, endpoint: String? = nil, status: Int,
        duration: Duration? = nil, address: String?, requestID: String,
        notes: RequestNotes = RequestNotes(), bytes: Int? = nil, traceParent: String? = nil,
        traceState: String? = nil
    ) {
        self.method = method
        self.path = path
        self.endpoint = endpoint
        self.status = status
        self.duration = duration
        self.address = address
        self.requestID = requestID
        self.notes = notes
        self.bytes = bytes
        self.traceParent = traceParent
        self.traceState = traceState
    }

    init(_ request: APIRequest, _ answer: APIAnswer, _ notes: RequestNotes, duration: Duration) {
        let state = request.headers["tracestate"]
        self.init(
            method: request.method.rawValue, path: request.path, endpoint: request.path,
            status: answer.status.code, duration: duration, address: request.client.description,
            requestID: request.id, notes: notes, bytes: answer.body.count,
            traceParent: request.headers.first(name: "traceparent"),
            traceState: state.isEmpty ? nil : state.joined(separator: ", "))
    }

    /// `ok`, `refused` or `failed`, unless the endpoint has a better word.
    package var outcomeName: String {
        if let outcome = notes.outcome { return outcome }
        return switch status {
        case ..<400: "ok"
        case ..<500: "refused"
        default: "failed"
        }
    }
}

/// Writes a line for each request. It makes the bytes itself: a logger's metadata would cost several times
/// as much as the answer.
package struct AccessLog: Sendable {
    private let output: LogOutput
    private let label: String

    package init(_ output: LogOutput = LogOutput(), label: String = "doornail") {
        self.output = output
        self.label = label
    }

    func isWritten(at level: Logger.Level) -> Bool { level >= output.level }

    /// - Parameter endpoint: the route, also where the request was refused before it reached one.
    func write(_ record: AccessRecord, endpoint: String?, at level: Logger.Level) {
        var line = LogLine(
            output.format, time: output.clock(), level: level, label: label, message: "request")
        // By name, as any other line.
        if let address = record.address { line.set("address", address) }
        if let bytes = record.bytes { line.set("bytes", bytes) }
        if let clientID = record.notes.clientID {
            line.set("client_id", AccessText.harmless(clientID, limit: 255))
        }
        if let duration = record.duration { line.set("duration_ms", milliseconds: duration) }
        if let endpoint { line.set("endpoint", endpoint) }
        if let error = record.notes.error {
            line.set("error", AccessText.harmless(error, limit: 500))
        }
        if let grant = record.notes.grant { line.set("grant", grant) }
        line.set("method", AccessText.harmless(record.method, limit: 32))
        line.set("outcome", record.outcomeName)
        line.set("path", AccessText.path(record.path))
        line.set("request_id", record.requestID)
        if let sid = record.notes.sid { line.set("sid", sid) }
        line.set("status", record.status)
        if let trace = record.traceParent.flatMap(TraceParent.traceID) {
            line.set("trace_id", trace)
        }
        output.sink.write(line.ended(), isAccess: true)
    }
}
