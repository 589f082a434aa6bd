import NIOCore
import NIOPosix
import Serving
import Synchronization
import Testing
import Web

/// Requests as bytes, and what the server says to them: framing, limits, smuggling.
@Suite struct ServerRequestTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let request: String
        let statuses: [Int]
        var ends = true

        var testDescription: String { name }
    }

    static let host = "Host: x\r\n"
    static let get = "GET /live HTTP/1.1\r\n\(host)\r\n"
    static let chunkedHead = "POST /echo HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n"

    static func post(_ body: String, _ fields: String = "") -> String {
        "POST /echo HTTP/1.1\r\n\(host)\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    static func post(length: String) -> String {
        "POST /echo HTTP/1.1\r\n\(host)Content-Length: \(length)\r\n\r\nabc"
    }

    static func post(coding: String, version: String = "1.1") -> String {
        "POST /echo HTTP/\(version)\r\n\(host)Transfer-Encoding: \(coding)\r\n\r\n0\r\n\r\n"
    }

    static func chunk(_ count: Int) -> String {
        String(count, radix: 16) + "\r\n" + String(repeating: "a", count: count) + "\r\n0\r\n\r\n"
    }

    /// A header whose target, names and values have so many bytes together.
    static func header(bytes: Int) -> String {
        let fixed = "/live".count + "Host".count + "x".count + "Connection".count + "close".count
        let filler = String(repeating: "a", count: bytes - fixed - "X".count)
        return "GET /live HTTP/1.1\r\n\(host)Connection: close\r\nX: \(filler)\r\n\r\n"
    }

    static func header(fields: Int) -> String {
        "GET /live HTTP/1.1\r\n\(host)Connection: close\r\n"
            + String(repeating: "X: 1\r\n", count: fields - 2) + "\r\n"
    }

    static let close = "Connection: close\r\n"
    static let cases: [Case] = [
        .init(name: "kept alive", request: get, statuses: [200], ends: false),
        .init(
            name: "asked to close", request: "GET /live HTTP/1.1\r\n\(host)\(close)\r\n",
            statuses: [200]),
        .init(name: "HTTP/1.0", request: "GET /live HTTP/1.0\r\n\r\n", statuses: [200]),
        .init(
            name: "HTTP/1.0 kept alive",
            request: "GET /live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", statuses: [200],
            ends: false),
        .init(
            name: "three at once", request: get + post("a=b") + get, statuses: [200, 200, 200],
            ends: false),
        .init(
            name: "absolute target",
            request: "GET http://x/live?a=b HTTP/1.1\r\n\(host)\(close)\r\n", statuses: [200]),
        .init(
            name: "an upgrade that we do not speak",
            request: "GET /live HTTP/1.1\r\n\(host)Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            statuses: [200]),
        .init(
            name: "two lengths", request: post(length: "3\r\nContent-Length: 4"), statuses: [400]),
        .init(
            name: "the same length twice", request: post(length: "3\r\nContent-Length: 3"),
            statuses: [400]),
        .init(name: "a list of lengths", request: post(length: "3, 3"), statuses: [400]),
        .init(name: "negative length", request: post(length: "-3"), statuses: [400]),
        .init(name: "signed length", request: post(length: "+3"), statuses: [400]),
        .init(
            name: "length of 2^63", request: post(length: "9223372036854775808"), statuses: [413]),
        .init(
            name: "length of 2^64 - 1", request: post(length: "18446744073709551615"),
            statuses: [413]),
        .init(
            name: "length of 2^64", request: post(length: "18446744073709551616"), statuses: [413]),
        .init(
            name: "length beyond 64 bits",
            request: post(length: "\(String(repeating: "9", count: 400)) \r\nX: y"),
            statuses: [413]),
        .init(
            name: "length beyond 64 bits, and no number",
            request: post(length: "99999999999999999999 9"), statuses: [400]),
        .init(
            name: "length between blanks", request: post(length: "  3  "), statuses: [200],
            ends: false),
        .init(
            name: "length and chunks",
            request: post(coding: "chunked\r\nContent-Length: 5"), statuses: [400]),
        .init(
            name: "chunks and length",
            request: "POST /echo HTTP/1.1\r\n\(host)Content-Length: 5\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", statuses: [400]),
        .init(name: "bad chunk", request: chunkedHead + "XY\r\n", statuses: [400]),
        .init(
            name: "bad end of chunk", request: chunkedHead + "1\r\nabc\r\n0\r\n\r\n",
            statuses: [400]),
        .init(name: "gzip coding", request: post(coding: "gzip, chunked"), statuses: [501]),
        .init(name: "identity coding", request: post(coding: "identity"), statuses: [501]),
        .init(name: "almost chunked", request: post(coding: "xchunked"), statuses: [501]),
        .init(
            name: "chunks in HTTP/1.0", request: post(coding: "chunked", version: "1.0"),
            statuses: [400]),
        .init(
            name: "blank before colon",
            request: "GET /live HTTP/1.1\r\n\(host)Content-Length : 0\r\n\r\n", statuses: [400]),
        .init(
            name: "folded line", request: "GET /live HTTP/1.1\r\n\(host)X: a\r\n b\r\n\r\n",
            statuses: [400]),
        .init(
            name: "NUL in a value", request: "GET /live HTTP/1.1\r\n\(host)X: a\0b\r\n\r\n",
            statuses: [400]),
        .init(
            name: "bare CR in a value", request: "GET /live HTTP/1.1\r\n\(host)X: a\rb\r\n\r\n",
            statuses: [400]),
        .init(name: "not HTTP", request: "\u{16}\u{03}\u{01}hello\r\n\r\n", statuses: [400]),
        .init(name: "HTTP/2", request: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", statuses: [400]),
        .init(name: "no Host", request: "GET /live HTTP/1.1\r\n\r\n", statuses: [400]),
        .init(
            name: "two Hosts", request: "GET /live HTTP/1.1\r\n\(host)\(host)\r\n", statuses: [400]),
        .init(
            name: "a path as Host", request: "GET /live HTTP/1.1\r\nHost: a/b\r\n\r\n",
            statuses: [400]),
        .init(
            name: "target beyond ASCII", request: "GET /é HTTP/1.1\r\n\(host)\r\n",
            statuses: [400]),
        .init(
            name: "target without slash", request: "GET live HTTP/1.1\r\n\(host)\r\n",
            statuses: [400]),
        .init(
            name: "a good one, then a bad one", request: get + "NONSENSE\r\n\r\n",
            statuses: [200, 400]),
        .init(name: "header at the limit", request: header(bytes: 16384), statuses: [200]),
        .init(name: "header one past it", request: header(bytes: 16385), statuses: [431]),
        .init(name: "header of a megabyte", request: header(bytes: 1 << 20), statuses: [431]),
        .init(name: "fields at the limit", request: header(fields: 100), statuses: [200]),
        .init(name: "fields one past it", request: header(fields: 101), statuses: [431]),
        .init(
            name: "body at the limit", request: post(String(repeating: "a", count: 65536)),
            statuses: [200], ends: false),
        .init(
            name: "body one past it", request: post(String(repeating: "a", count: 65537)),
            statuses: [413]),
        .init(
            name: "body of five megabytes", request: post(String(repeating: "a", count: 5 << 20)),
            statuses: [413]),
        .init(
            name: "chunks at the limit", request: chunkedHead + chunk(65536), statuses: [200],
            ends: false),
        .init(
            name: "chunks one past it", request: chunkedHead + chunk(65537), statuses: [413]),
        .init(
            name: "chunks of one byte",
            request: chunkedHead + String(repeating: "1\r\na\r\n", count: 65536) + "0\r\n\r\n",
            statuses: [200], ends: false),
        .init(
            name: "chunk extensions without end",
            request: chunkedHead
                + String(
                    repeating: "1;e=\(String(repeating: "x", count: 500))\r\na\r\n", count: 2000),
            statuses: [413]),
        .init(
            name: "refused without reading the body",
            request: "POST /echo HTTP/1.1\r\n\(host)Expect: 100-continue\r\n"
                + "Content-Length: 300000\r\n\r\n", statuses: [413]),
    ]

    @Test(arguments: cases) func answers(_ test: Case) async throws {
        try await TestServer.run { server in
            let count = test.statuses.count
            let reply = try await RawClient(port: server.port).talk([.send(test.request)]) {
                !test.ends && $0.statuses.count >= count && $0.text.utf8.count > 100
            }
            #expect(reply.statuses == test.statuses)
            #expect(reply.ended == test.ends)
            #expect(!reply.wasReset)
            if let last = test.statuses.last, last >= 400 {
                #expect(reply.header("Cache-Control") == "no-store" || count > 1)
                #expect(reply.body.hasPrefix(#"{"error":"invalid_request","error_description":""#))
            }
        }
    }

    /// Requests behind each other are answered in order, wherever the bytes are cut.
    @Test(arguments: [1, 2, 3, 5, 17, 64, 1000]) func answersInOrder(_ size: Int) async throws {
        let body = "a=\r\n\r\nGET /nothing HTTP/1.1\r\n\r\n"
        let requests = [
            Self.get, Self.post(body), Self.chunkedHead + Self.chunk(20), "\r\n" + Self.get,
            "POST /echo HTTP/1.1\r\n\(Self.host)Transfer-Encoding: chunked\r\n\r\n"
                + "4\r\n\r\n\r\n\r\n0\r\nX: y\r\n\r\n",
            "GET /slow HTTP/1.1\r\n\(Self.host)\r\n", Self.post("last", Self.close),
        ]
        let bytes = Array(requests.joined().utf8)
        try await TestServer.run { server in
            let steps = stride(from: 0, to: bytes.count, by: size).flatMap { start in
                [
                    Step.send(
                        String(
                            decoding: bytes[start..<min(start + size, bytes.count)], as: UTF8.self))
                ]
            }
            let reply = try await RawClient(port: server.port).talk(steps)
            #expect(reply.statuses == Array(repeating: 200, count: requests.count))
            for part in ["live", body, String(repeating: "a", count: 20), "\r\n\r\n", "slow"] {
                #expect(reply.text.contains("\r\n\r\n\(part)"))
            }
            #expect(reply.text.hasSuffix("\r\n\r\nlast"))
            #expect(reply.ended)
        }
    }

    /// The end of what a peer sends comes after all of it.
    @Test func answersAllThatCameBeforeTheEnd() async throws {
        try await TestServer.run { server in
            let reply = try await RawClient(port: server.port).talk([
                .send("GET /slow HTTP/1.1\r\n\(Self.host)\r\n" + Self.get + Self.post("x")), .end,
            ])
            #expect(reply.statuses == [200, 200, 200])
            #expect(reply.ended)
        }
    }

    /// What comes behind a request waits, and most of it in the kernel: the peer cannot go on sending.
    @Test func doesNotReadOnBehindARequest() async throws {
        try await TestServer.run { server in
            let socket = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .channelOption(.socketOption(.so_sndbuf), value: 65536)
                .connect(host: "127.0.0.1", port: server.port).get()
            let held = "GET /held HTTP/1.1\r\n\(Self.host)\r\n"
            try await socket.writeAndFlush(ByteBuffer(string: held)).get()
            try await server.gate.arrival()
            let many = ByteBuffer(string: String(repeating: Self.get, count: 500_000))
            let sent = Mutex(false)
            socket.writeAndFlush(many).whenComplete { _ in sent.withLock { $0 = true } }
            try await Task.sleep(for: .milliseconds(500))
            #expect(!sent.withLock { $0 }, "17 MB were taken from a peer that waits for an answer")
            server.gate.open()
            socket.close(promise: nil)
        }
    }

    @Test func headHasNoBodyWhateverTheAnswer() async throws {
        try await TestServer.run { server in
            for path in ["/live", "/broken", "/nothing"] {
                let reply = try await RawClient(port: server.port).talk([
                    .send("HEAD \(path) HTTP/1.1\r\n\(Self.host)\(Self.close)\r\n")
                ])
                #expect(reply.text.hasSuffix("\r\n\r\n"))
                #expect(reply.header("Content-Length") != "0")
            }
        }
    }

    @Test func continuesWhenAsked() async throws {
        try await TestServer.run { server in
            let reply = try await RawClient(port: server.port).talk([
                .send(
                    "POST /echo HTTP/1.1\r\n\(Self.host)\(Self.close)Expect: 100-continue\r\n"
                        + "Content-Length: 3\r\n\r\n"),
                .wait(milliseconds: 100), .send("abc"),
            ])
            #expect(reply.statuses == [100, 200])
            #expect(reply.body == "abc")
        }
    }

    @Test func answersAClientThatHasEndedItsSide() async throws {
        try await TestServer.run { server in
            let client = RawClient(port: server.port)
            let whole = try await client.talk([
                .send("GET /slow HTTP/1.1\r\n\(Self.host)\r\n"), .end,
            ])
            #expect(whole.statuses == [200])
            #expect(whole.ended)
            let half = try await client.talk([.send(String(Self.post("abc").dropLast())), .end])
            #expect(half.statuses == [400])
            let nothing = try await client.talk([.end])
            #expect(nothing.text.isEmpty)
            #expect(nothing.ended)
        }
    }

    /// A client that writes all before it reads: the answer must not be lost in a reset.
    @Test func bodyIsDrainedAfterTheRefusal() async throws {
        try await TestServer.run { server in
            let body = String(repeating: "a", count: 1 << 20)
            var steps = [
                Step.send("POST /echo HTTP/1.1\r\n\(Self.host)Content-Length: 8388608\r\n\r\n")
            ]
            for _ in 0..<8 { steps += [.send(body), .wait(milliseconds: 20)] }
            let reply = try await RawClient(port: server.port).talk(steps)
            #expect(reply.statuses == [413])
            #expect(!reply.wasReset)
        }
    }

    @Test func refusalsHaveARequestIDAndAreLogged() async throws {
        try await TestServer.run { server in
            let reply = try await RawClient(port: server.port).talk([
                .send(
                    "POST /echo?code=secret HTTP/1.1\r\n\(Self.host)X-Request-ID: mine-1\r\n"
                        + "Content-Length: 70000\r\n\r\n")
            ])
            #expect(reply.header("X-Request-ID") == "mine-1")
            let line = server.lines.all.first { $0.contains("mine-1") }
            #expect(line?.contains(#""status":413"#) == true)
            #expect(line?.contains(#""path":"/echo""#) == true)
            #expect(line?.contains("secret") == false)
            #expect(
                server.metrics.render().contains(
                    #"doornail_http_requests_total{endpoint="other",method="POST",status="413"} 1"#
                ))
        }
    }
}
