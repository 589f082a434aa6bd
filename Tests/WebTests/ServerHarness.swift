import Foundation
import Hummingbird
import Logging
import Metrics
import NIOCore
import NIOPosix
import NIOSSL
import ServiceLifecycle
import Serving
import Synchronization
import Web

/// Lines that a logger wrote.
final class CapturedLines: Sendable {
    private let lines = Mutex<[String]>([])

    var sink: LogSink { LogSink { line in self.lines.withLock { $0.append(line) } } }
    var all: [String] { lines.withLock { $0 } }

    func output(_ level: Logger.Level = .debug) -> LogOutput {
        LogOutput(level: level, sink: sink)
    }

    func logger(_ level: Logger.Level = .debug) -> Logger { output(level).logger(label: "test") }
}

/// Holds a request inside the server until a test lets it go.
final class Gate: Sendable {
    private let state = Mutex((arrived: 0, isOpen: false))

    func pass() async throws {
        state.withLock { $0.arrived += 1 }
        while !state.withLock({ $0.isOpen }) { try await Task.sleep(for: .milliseconds(5)) }
    }

    func arrival() async throws {
        while state.withLock({ $0.arrived }) == 0 { try await Task.sleep(for: .milliseconds(5)) }
    }

    func open() {
        state.withLock { $0.isOpen = true }
    }
}

/// An API of a test server: what it is sent comes back, at once or later.
struct TestAPI: API {
    let gate: Gate

    func has(_ path: String) -> Bool { path.hasPrefix("/api/") }

    func answer(_ request: APIRequest, _ notes: inout RequestNotes) async -> APIAnswer {
        notes.clientID = "photos"
        notes.outcome = "echoed"
        switch request.path {
        case "/api/held": try? await gate.pass()
        case "/api/later": try? await Task.sleep(for: .milliseconds(1))
        case "/api/large":
            let body = [UInt8](repeating: UInt8(ascii: "x"), count: 60_000)
            return APIAnswer(status: .ok, contentType: "text/plain", body: body[...])
        default: break
        }
        return APIAnswer(
            status: .ok, contentType: "text/plain",
            body: Array(request.body.readableBytesView)[...],
            fields: [("X-Address", request.client.description)])
    }
}

/// A server on a free port of the loopback, with a few routes, for as long as `body` runs.
struct TestServer {
    let port: Int
    let lines: CapturedLines
    let metrics: PrometheusMetrics
    let gate: Gate
    private let group: ServiceGroup

    func stop() async {
        await group.triggerGracefulShutdown()
    }

    static func run(
        limits: HTTPLimits = HTTPLimits(), certificates: CertificateReload? = nil,
        proxies: TrustedProxies = .none,
        _ body: @Sendable @escaping (TestServer) async throws -> Void
    ) async throws {
        let lines = CapturedLines()
        let metrics = PrometheusMetrics(version: "test")
        let gate = Gate()
        let recorder = AccessRecorder(log: AccessLog(lines.output()), metrics: metrics)
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let logger = lines.logger()
        let admission = Admission(
            "public", limits: limits, proxies: proxies, metrics: metrics, logger: logger)
        let application = Application(
            router: router(proxies: proxies, recorder: recorder, metrics: metrics, gate: gate),
            server: try ServerBuilder.server(
                admission, certificates: certificates, recorder: recorder,
                api: TestAPI(gate: gate)),
            configuration: ServerBuilder.configuration(
                try ListenAddress("127.0.0.1:0"), admission, logger: logger),
            onServerRunning: { channel in
                await ServerBuilder.running(channel, logger: logger)
                port.yield(channel.localAddress?.port ?? 0)
                port.finish()
            },
            logger: logger)
        let group = ServiceGroup(services: [application], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for await number in ports {
                do {
                    try await body(
                        TestServer(
                            port: number, lines: lines, metrics: metrics, gate: gate,
                            group: group))
                } catch {
                    await group.triggerGracefulShutdown()
                    throw error
                }
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    private static func router(
        proxies: TrustedProxies, recorder: AccessRecorder, metrics: PrometheusMetrics,
        gate: Gate
    ) -> Router<DoornailContext> {
        let router = Router(context: DoornailContext.self)
        router.middlewares.add(RequestIDMiddleware())
        router.middlewares.add(AccessLogMiddleware(proxies: proxies, recorder: recorder))
        router.get("/live") { _, _ in "live" }
        router.head("/live") { _, _ in "live" }
        router.get("/address") { _, context in context.clientAddress.description }
        router.get("/metrics") { _, _ in metrics.render() }
        router.get("/broken") { _, _ -> String in throw CancellationError() }
        router.get("/slow") { _, _ -> String in
            try await Task.sleep(for: .milliseconds(1500))
            return "slow"
        }
        router.get("/held") { _, _ -> String in
            try await gate.pass()
            return "held"
        }
        router.post("/echo") { request, context -> Response in
            context.log.clientID = "photos"
            context.log.outcome = "echoed"
            let body = try await request.body.collect(upTo: context.maxUploadSize)
            return Response(status: .ok, body: ResponseBody(byteBuffer: body))
        }
        return router
    }
}

/// What a client of raw bytes does.
enum Step: Sendable {
    case send(String)
    case wait(milliseconds: Int)
    /// Ends the client's side.
    case end
    /// Waits for so many answers.
    case answers(Int)
    case perform(@Sendable () async throws -> Void)
}

/// What came back.
struct Reply: Sendable {
    var text = ""
    /// The server ended the connection.
    var ended = false
    var wasReset = false
    var elapsed = Duration.zero
    var certificate: NIOSSLCertificate?

    var statuses: [Int] {
        text.components(separatedBy: "HTTP/1.1 ").dropFirst().compactMap { Int($0.prefix(3)) }
    }

    var body: String { text.components(separatedBy: "\r\n\r\n").last ?? "" }

    func header(_ name: String) -> String? {
        text.components(separatedBy: "\r\n")
            .first { $0.lowercased().hasPrefix(name.lowercased() + ": ") }
            .map { String($0.dropFirst(name.count + 2)) }
    }
}

/// Speaks raw bytes to a server, and hears what it says and whether it hangs up or resets.
struct RawClient {
    let port: Int
    var tls: TLSConfiguration?
    /// How long to wait for the server to end the connection.
    var patience = Duration.seconds(20)

    static var anyCertificate: TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        return configuration
    }

    /// Returns as soon as the server ends the connection or `enough` is true.
    func talk(
        _ steps: [Step], until enough: @Sendable (Reply) -> Bool = { _ in false }
    ) async throws -> Reply {
        let reply = Box()
        let context = try tls.map { try NIOSSLContext(configuration: $0) }
        let started = ContinuousClock.now
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(
                                context: context, serverHostname: nil,
                                customVerificationCallback: { certificates, promise in
                                    reply.value.withLock { $0.certificate = certificates.first }
                                    promise.succeed(.certificateVerified)
                                }))
                    }
                    try channel.pipeline.syncOperations.addHandler(Collector(reply))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        for step in steps {
            switch step {
            case .send(let text):
                // A server that has hung up already makes this fail, which the reply tells.
                try? await channel.writeAndFlush(ByteBuffer(string: text)).get()
            case .wait(let milliseconds): try await Task.sleep(for: .milliseconds(milliseconds))
            case .end: try? await channel.close(mode: .output).get()
            case .answers(let count):
                while reply.value.withLock({ $0.statuses.count < count && !$0.ended }) {
                    try await Task.sleep(for: .milliseconds(5))
                }
            case .perform(let action): try await action()
            }
        }
        while true {
            var now = reply.value.withLock { $0 }
            now.elapsed = started.duration(to: .now)
            if now.ended || now.wasReset || enough(now) || now.elapsed > patience {
                channel.close(promise: nil)
                return now
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private final class Box: Sendable {
        let value = Mutex(Reply())
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let box: Box

        init(_ box: Box) {
            self.box = box
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let text = String(buffer: unwrapInboundIn(data))
            box.value.withLock { $0.text += text }
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .some(.inputClosed) = event as? ChannelEvent {
                box.value.withLock { $0.ended = true }
            }
            context.fireUserInboundEventTriggered(event)
        }

        func channelInactive(context: ChannelHandlerContext) {
            box.value.withLock { $0.ended = true }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            if error is IOError { box.value.withLock { $0.wasReset = true } }
        }
    }
}
