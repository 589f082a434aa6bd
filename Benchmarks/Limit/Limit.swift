import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// What introspection is measured against: servers that know their answer before they are asked.
///
///     limit nio 8081 241           a bare NIO HTTP/1.1 handler
///     limit hummingbird 8081 241   a route of Hummingbird
///     limit nio-tls 8081 241 certificate.pem key.pem
///
/// The last number is the length of the answer's body in bytes.
@main
struct Limit {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 4, let port = Int(arguments[2]), let length = Int(arguments[3])
        else { return usage() }
        let body = ByteBuffer(repeating: UInt8(ascii: "x"), count: length)
        switch (arguments[1], arguments.count) {
        case ("nio", 4): try await nio(port, body, nil)
        case ("nio-tls", 6): try await nio(port, body, tls(arguments[4], arguments[5]))
        case ("hummingbird", 4): try await hummingbird(port, body)
        default: usage()
        }
    }

    private static func usage() {
        print(
            "usage: limit nio|hummingbird PORT BYTES, or limit nio-tls PORT BYTES CERTIFICATE KEY")
    }

    private static func tls(_ certificate: String, _ key: String) throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMFile(certificate)
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) },
                privateKey: .privateKey(NIOSSLPrivateKey(file: key, format: .pem))))
    }

    private static func nio(
        _ port: Int, _ body: ByteBuffer, _ tls: NIOSSLContext?
    ) async throws {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls {
                        try pipeline.addHandler(NIOSSLServerHandler(context: tls))
                    }
                    try pipeline.configureHTTPServerPipeline(
                        withPipeliningAssistance: false, withErrorHandling: false)
                    try pipeline.addHandler(ConstantAnswer(body))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        try await channel.closeFuture.get()
    }

    private static func hummingbird(_ port: Int, _ body: ByteBuffer) async throws {
        let router = Router()
        let requestID = HTTPField.Name("X-Request-ID") ?? .via
        let pragma = HTTPField.Name("Pragma") ?? .via
        router.post("/introspect") { request, _ -> Response in
            for try await _ in request.body {}
            return Response(
                status: .ok,
                headers: [
                    .contentType: "application/json", .cacheControl: "no-store",
                    pragma: "no-cache", requestID: "0123456789abcdef",
                ],
                body: ResponseBody(byteBuffer: body))
        }
        var logger = Logger(label: "limit")
        logger.logLevel = .error
        let application = Application(
            router: router,
            configuration: .init(address: .hostname("127.0.0.1", port: port)), logger: logger)
        try await application.runService()
    }
}

/// The answer, once the request has arrived as a whole.
private final class ConstantAnswer: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let head: HTTPResponseHead
    private let body: ByteBuffer

    init(_ body: ByteBuffer) {
        self.body = body
        head = HTTPResponseHead(
            version: .http1_1, status: .ok,
            headers: [
                "Content-Type": "application/json", "Cache-Control": "no-store",
                "Pragma": "no-cache", "Content-Length": "\(body.readableBytes)",
                "X-Request-ID": "0123456789abcdef", "Date": "Mon, 23 Nov 2026 10:34:23 GMT",
            ])
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = unwrapInboundIn(data) else { return }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}

@available(*, unavailable)
extension ConstantAnswer: Sendable {}
