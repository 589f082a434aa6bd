import Foundation
import Logging
import Testing

@testable import Serving
@testable import Web

/// Log lines, and what strangers can do to them: nothing.
@Suite struct ServerLogTests {
    private let clock: @Sendable () -> UTCTime = {
        UTCTime(millisecondsSinceEpoch: 1_795_430_063_120)
    }

    private func json(
        _ body: (inout LineLogHandler) -> Void = { _ in }, log: (Logger) -> Void
    ) throws -> [String: Any] {
        let lines = CapturedLines()
        var handler = LineLogHandler(
            label: "test", output: LogOutput(level: .trace, sink: lines.sink, clock: clock))
        body(&handler)
        log(Logger(label: "test") { _ in handler })
        let line = try #require(lines.all.first)
        #expect(lines.all.count == 1)
        #expect(line.hasSuffix("}\n"))
        #expect(line.utf8.count { $0 == 0x0A } == 1)
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        return try #require(object as? [String: Any])
    }

    @Test func aLineIsOneFlatObject() throws {
        let object = try json({ $0[metadataKey: "node"] = "n1" }) { logger in
            logger.warning(
                "hello",
                metadata: [
                    "status": .stringConvertible(200), "list": ["a", "b"],
                    "inner": ["x": "1", "y": ["z": "2"]], "level": "mine",
                ])
        }
        #expect(object["time"] as? String == "2026-11-23T10:34:23.120Z")
        #expect(object["level"] as? String == "warning")
        #expect(object["logger"] as? String == "test")
        #expect(object["message"] as? String == "hello")
        #expect(object["node"] as? String == "n1")
        #expect(object["status"] as? Int == 200)
        #expect(object["list"] as? [String] == ["a", "b"])
        #expect(object["inner.x"] as? String == "1")
        #expect(object["inner.y.z"] as? String == "2")
        #expect(object["metadata.level"] as? String == "mine")
    }

    @Test(arguments: [
        "plain", "quote\"", "back\\slash", "line\nfeed\r\n", "tab\t",
        "\u{0}\u{1}\u{1F}\u{7F}\u{9B}",
        "\u{2028}\u{2029}", "é\u{301}\u{200D}👩‍👩‍👧", "\"\u{301}", "{\"level\":\"error\"}",
    ])
    func everyTextSurvives(_ text: String) throws {
        let object = try json { logger in
            logger.info("\(text)", metadata: ["value": "\(text)", "\(text)k": "v"])
        }
        #expect(object["message"] as? String == text)
        #expect(object["value"] as? String == text)
        #expect(object["\(text)k"] as? String == "v")
    }

    @Test func textLinesAreForPeople() {
        let lines = CapturedLines()
        let handler = LineLogHandler(
            label: "test", output: LogOutput(format: .text, sink: lines.sink, clock: clock))
        let logger = Logger(label: "test") { _ in handler }
        logger.debug("not shown")
        logger.info(
            "serving\nforged", metadata: ["listen": "127.0.0.1:1", "why": "two words", "n": ""])
        #expect(
            lines.all == [
                #"2026-11-23T10:34:23.120Z info     serving\u{a}forged "#
                    + #"listen=127.0.0.1:1 n="" why="two words""# + "\n"
            ])
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z", "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z", "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z", "Mon, 01 Mar 2100 00:00:00 GMT"),
            (-1, "1969-12-31T23:59:59.999Z", "Wed, 31 Dec 1969 23:59:59 GMT"),
            (784_111_777_000, "1994-11-06T08:49:37.000Z", "Sun, 06 Nov 1994 08:49:37 GMT"),
            (.min, "-292275055-05-16T16:47:04.192Z", "Sun, 16 May -292275055 16:47:04 GMT"),
            (.max, "292278994-08-17T07:12:55.807Z", "Sun, 17 Aug 292278994 07:12:55 GMT"),
        ] as [(Int64, String, String)])
    func timesAreWritten(_ milliseconds: Int64, _ rfc3339: String, _ httpDate: String) {
        let time = UTCTime(millisecondsSinceEpoch: milliseconds)
        #expect(time.rfc3339 == rfc3339)
        #expect(time.httpDate == httpDate)
    }

    @Test(arguments: [
        ("/token", "/token"), ("/token?code=secret", "/token"), ("/a#secret", "/a"), ("?x", ""),
        ("/\u{1B}[31m", #"/\u{1b}[31m"#), ("/a\nb", #"/a\u{a}b"#), ("/\u{202E}x", #"/\u{202e}x"#),
        ("/" + String(repeating: "a", count: 300), "/" + String(repeating: "a", count: 199)),
        ("/" + String(repeating: "é", count: 150), "/" + String(repeating: "é", count: 99)),
    ])
    func pathsAreHarmless(_ target: String, _ path: String) {
        #expect(AccessText.path(target) == path)
    }

    @Test(arguments: [
        (Duration.milliseconds(12), "12.000"), (.microseconds(1500), "1.500"),
        (.nanoseconds(999), "0.000"), (.seconds(5), "5000.000"), (.microseconds(-5), "0.000"),
    ])
    func durationsAreInMilliseconds(_ duration: Duration, _ text: String) {
        for (format, value) in [(LogOutput.Format.json, "\"\(text)\""), (.text, text)] {
            var line = LogLine(format, time: clock(), level: .info, label: "", message: "")
            line.set("d", milliseconds: duration)
            #expect(String(decoding: line.ended(), as: UTF8.self).contains(value))
        }
    }

    static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    @Test(
        arguments: [
            ("00-\(trace)-00f067aa0ba902b7-01", trace),
            ("cc-\(trace)-00f067aa0ba902b7-01-more", trace),
            ("ff-\(trace)-00f067aa0ba902b7-01", nil), ("00-\(trace)-00f067aa0ba902b7-01-more", nil),
            ("00-\(trace.uppercased())-00f067aa0ba902b7-01", nil),
            ("00-\(String(repeating: "0", count: 32))-00f067aa0ba902b7-01", nil),
            ("00-\(trace)-0000000000000000-01", nil), ("00-\(trace)-00f067aa0ba902b7", nil),
            ("", nil),
            ("00_\(trace)-00f067aa0ba902b7-01", nil), ("00-\(trace)-00f067aa0ba902b7-0g", nil),
            ("cc-\(trace)-00f067aa0ba902b7-01more", nil),
        ] as [(String, String?)])
    func traceParentsAreChecked(_ header: String, _ trace: String?) {
        #expect(TraceParent.traceID(header) == trace)
    }

    @Test(arguments: [
        ("a", true), ("A-z.0_9", true), (String(repeating: "a", count: 128), true), ("", false),
        (String(repeating: "a", count: 129), false), ("a b", false), ("a\n", false), ("é", false),
        ("a/b", false), ("{\"", false),
    ])
    func requestIDsAreTakenOrMade(_ proposed: String, _ isTaken: Bool) {
        let id = RequestID.of(proposed)
        #expect((id == proposed) == isTaken)
        #expect(RequestID.isAcceptable(id))
        #expect(RequestID.of(nil) != RequestID.of(nil))
    }

    @Test func oneLineARequest() async throws {
        try await TestServer.run { server in
            let client = RawClient(port: server.port)
            let reply = try await client.talk([
                .send(
                    "POST /echo?token=secret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        + "traceparent: 00-\(Self.trace)-00f067aa0ba902b7-01\r\n"
                        + "X-Request-ID: r1\r\nContent-Length: 8\r\n\r\npassword")
            ])
            #expect(reply.statuses == [200])
            #expect(reply.header("X-Request-ID") == "r1")
            let line = try #require(server.lines.all.first { $0.contains(#""request_id":"r1""#) })
            for part in [
                #""level":"info""#, #""message":"request""#, #""method":"POST""#,
                #""path":"/echo""#, #""endpoint":"/echo""#, #""status":200"#,
                #""client_id":"photos""#, #""outcome":"echoed""#, #""bytes":8"#,
                #""trace_id":"\#(Self.trace)""#, #""address":"127.0.0.1""#, #""duration_ms":""#,
            ] { #expect(line.contains(part), "\(part)") }
            let all = server.lines.all.joined()
            #expect(!all.contains("secret") && !all.contains("password"))
            let page = server.metrics.render()
            #expect(
                page.contains(
                    #"doornail_http_requests_total{endpoint="/echo",method="POST",status="200"} 1"#)
            )
            #expect(
                page.contains(
                    #"doornail_http_request_seconds_count{endpoint="/echo",outcome="echoed"} 1"#))
        }
    }

    @Test func whatNobodyForesawIs500WithItsID() async throws {
        try await TestServer.run { server in
            let reply = try await RawClient(port: server.port).talk([
                .send("GET /broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            ])
            #expect(reply.statuses == [500])
            #expect(reply.body.contains("server_error"))
            #expect(!reply.body.contains("Cancellation"))
            let id = try #require(reply.header("X-Request-ID"))
            let line = try #require(server.lines.all.first { $0.contains(id) })
            #expect(line.contains(#""level":"error""#))
            #expect(line.contains("CancellationError"))
        }
    }

    @Test func strangeMethodsAndPathsMakeNoNewSeries() async throws {
        try await TestServer.run { server in
            for path in ["/a", "/b", "/c?d"] {
                _ = try await RawClient(port: server.port).talk([
                    .send("PROPFIND \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                ])
            }
            let series = server.metrics.render().split(separator: "\n")
                .filter { $0.hasPrefix("doornail_http_requests_total{") }
            #expect(series.count == 1)
            #expect(series.first?.contains(#"endpoint="other",method="other""#) == true)
        }
    }
}
