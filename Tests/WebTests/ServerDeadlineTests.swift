import NIOCore
import NIOPosix
import Serving
import Testing
import Web

/// Peers that are slow, idle or gone, with shortened times: long enough for a busy machine, and
/// the upper bounds only tell a deadline that holds from one that does not.
@Suite struct ServerDeadlineTests {
    static var short: HTTPLimits {
        var limits = HTTPLimits()
        limits.firstByte = .seconds(1)
        limits.header = .seconds(1)
        limits.body = .seconds(1)
        limits.idle = .seconds(1)
        limits.linger = .seconds(1)
        return limits
    }

    static let head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"
    static let get = "GET /live HTTP/1.1\r\nHost: x\r\n\r\n"

    static func drip(_ text: String) -> [Step] {
        text.flatMap { [Step.send(String($0)), .wait(milliseconds: 150)] }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let steps: [Step]
        let statuses: [Int]

        var testDescription: String { name }
    }

    static let cases: [Case] = [
        .init(name: "says nothing", steps: [], statuses: []),
        .init(name: "half a header", steps: [.send("GET /li")], statuses: [408]),
        .init(name: "a byte at a time", steps: drip("GET /live HTTP"), statuses: [408]),
        .init(name: "half a body", steps: [.send(head + "a=b")], statuses: [408]),
        .init(
            name: "a body byte at a time", steps: [.send(head)] + drip("a=bbbbbbbbbbb"),
            statuses: [408]),
        .init(name: "idle after an answer", steps: [.send(get)], statuses: [200]),
        .init(
            name: "half a header after an answer",
            steps: [.send(get), .answers(1), .send("GET /li")], statuses: [200, 408]),
        .init(
            name: "an answer slower than the idle time",
            steps: [.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")], statuses: [200]),
        // While an answer is due, what comes behind its request is not read, and has all its time after it.
        .init(
            name: "half a header behind a slow answer",
            steps: [
                .send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /li"), .answers(1),
                .send("ve HTTP/1.1\r\nHost: x\r\n\r\n"),
            ], statuses: [200, 200]),
        .init(
            name: "half a body behind a slow answer",
            steps: [
                .send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + head + "a=b"), .answers(1),
                .send(String(repeating: "b", count: 47)),
            ], statuses: [200, 200]),
        .init(
            name: "half a header behind a slow answer, and nothing more",
            steps: [.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /li")], statuses: [200, 408]),
    ]

    @Test(arguments: cases) func endsWhatIsSlow(_ test: Case) async throws {
        try await TestServer.run(limits: Self.short) { server in
            let reply = try await RawClient(port: server.port).talk(test.steps)
            #expect(reply.statuses == test.statuses)
            #expect(reply.ended || reply.wasReset)
            #expect(reply.elapsed >= .milliseconds(950))
            #expect(reply.elapsed < .seconds(15))
        }
    }

    /// It sends requests without end, and the answers stay in its socket and ours.
    @Test func aPeerThatReadsNoAnswersIsCutOff() async throws {
        var limits = Self.short
        limits.answer = .seconds(1)
        try await TestServer.run(limits: limits) { server in
            let socket = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .channelOption(.autoRead, value: false)
                .connect(host: "127.0.0.1", port: server.port).get()
            // More than both sockets hold of answers.
            let echo =
                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n"
                + String(repeating: "a", count: 65536)
            socket.writeAndFlush(
                ByteBuffer(string: String(repeating: echo, count: 500)), promise: nil)
            let open = #"doornail_connections{listener="public"} "#
            var polls = 0
            while !server.metrics.render().contains(open + "0"), polls < 1500 {
                polls += 1
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(server.metrics.render().contains(open + "0"))
            socket.close(promise: nil)
        }
    }

    @Test func aHeaderOfBlanksIsNotBuffered() async throws {
        try await TestServer.run { server in
            var steps = [Step.send("GET / HTTP/1.1\r\nX:")]
            for _ in 0..<8 {
                steps += [.send(String(repeating: " ", count: 8192)), .wait(milliseconds: 20)]
            }
            let reply = try await RawClient(port: server.port).talk(steps)
            #expect(reply.statuses == [431])
        }
    }

    @Test func stoppingAnswersWhatWasAccepted() async throws {
        try await TestServer.run { server in
            let reply = try await RawClient(port: server.port).talk([
                .send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n"),
                .perform {
                    try await server.gate.arrival()
                    await server.stop()
                    try await Task.sleep(for: .milliseconds(100))
                    server.gate.open()
                },
            ])
            #expect(reply.statuses == [200])
            #expect(reply.ended)
        }
    }

    @Test func stoppingAnswersWhatWasOnItsWay() async throws {
        var limits = HTTPLimits()
        limits.quiesce = .seconds(3)
        try await TestServer.run(limits: limits) { server in
            let reply = try await RawClient(port: server.port).talk([
                .send(Self.get), .answers(1), .perform { await server.stop() },
                .wait(milliseconds: 100), .send(Self.get),
            ])
            #expect(reply.statuses == [200, 200])
            #expect(reply.ended)
        }
    }
}
