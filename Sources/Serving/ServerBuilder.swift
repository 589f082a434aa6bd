package import Hummingbird
package import HummingbirdCore
import HummingbirdTLS
package import Logging
package import NIOCore
import NIOHTTP1
import NIOHTTPTypes

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Builds the HTTP/1.1 server of one listener: what Hummingbird's `Application(server:)` takes.
package enum ServerBuilder {
    /// - Parameters:
    ///   - api: what answers programs, before the application is asked
    ///   - certificates: nil: plain HTTP
    ///   - saysHTTPSOnly: every answer tells browsers to come by https alone
    package static func server(
        _ admission: Admission, certificates: CertificateReload? = nil,
        recorder: AccessRecorder = AccessRecorder(), api: (any API)? = nil,
        saysHTTPSOnly: Bool = false
    ) throws -> HTTPServerBuilder {
        let setup = ConnectionSetup(
            limits: admission.limits, proxies: admission.proxies, recorder: recorder, api: api,
            isSecure: certificates != nil, saysHTTPSOnly: saysHTTPSOnly)
        let plain = HTTPServerBuilder { responder in
            ConnectionChannel(responder: responder, admission: admission, common: setup)
        }
        guard let certificates else { return plain }
        return try .tls(plain, tlsConfiguration: certificates.configuration())
    }

    /// Connections that may be open beyond those that have a place: they are being closed.
    package static let closing = 16

    /// What `Application(configuration:)` takes: the address, and how many may connect. More than are
    /// being closed wait in the kernel's queue.
    package static func configuration(
        _ address: ListenAddress, _ admission: Admission, logger: Logger
    ) -> ApplicationConfiguration {
        ApplicationConfiguration(
            address: address.bindAddress, backlog: 1024,
            availableConnectionsDelegate: MaximumAvailableConnections(
                admission.limits.connections + closing, logger: logger))
    }

    /// What `Application(onServerRunning:)` has to do.
    package static func running(_ listener: any Channel, logger: Logger) async {
        do {
            try await listener.pipeline.addHandler(AcceptPause(logger: logger), position: .first)
                .get()
        } catch {
            // Either it is closed already, or a core will spin while no file can be opened.
            logger.warning("a listener cannot pause", metadata: ["error": "\(error)"])
        }
    }
}

/// Accepts nothing for a moment after no more files could be opened.
///
/// NIO asks for the next read before its own pause begins. So it would find the listener readable again
/// immediately, and a core would spin.
private final class AcceptPause: ChannelInboundHandler, RemovableChannelHandler, Sendable {
    typealias InboundIn = any Channel

    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let failure = error as? IOError,
            [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(failure.errnoCode)
        else {
            context.fireErrorCaught(error)
            return
        }
        logger.warning("no connection can be accepted", metadata: ["error": "\(failure)"])
        let channel = context.channel
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        context.eventLoop.scheduleTask(in: .seconds(1)) {
            channel.setOption(.autoRead, value: true)
        }
    }
}

/// A connection's pipeline: parser, ``ConnectionHandler``, and Hummingbird's loop at the end.
///
/// Not Hummingbird's `HTTP1Channel`, which has a single idle timeout, answers every parser error
/// with an empty 400, and closes with unread bytes, so that clients see a reset.
///
/// The asynchronous channel is made by whoever handles the connection, not as it is accepted: one that
/// is accepted as the server stops is dropped unhandled, and an asynchronous channel that is dropped
/// ends the process (github.com/apple/swift-nio/issues/2637). What arrives before it is there is held.
private struct ConnectionChannel: ServerChildChannel, HTTPChannelHandler {
    struct Value: ServerChildChannelValue {
        let channel: any Channel
        let connection: NIOLoopBound<ConnectionHandler>
    }

    let responder: HTTPChannelHandler.Responder
    let admission: Admission
    let common: ConnectionSetup

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let limits = admission.limits
            // What comes behind a request waits, and takes little: 16 KiB of it here, and the rest in the
            // kernel, all of which is read as soon as the peer has ended its side.
            try channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
            try channel.syncOptions?.setOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 64, initial: 2048, maximum: 16384))
            for buffer in [NIOBSDSocket.Option.so_rcvbuf, .so_sndbuf] {
                try channel.syncOptions?.setOption(
                    .socketOption(buffer), value: limits.socketBytes)
            }
            var parserLimits = NIOHTTPDecoderLimitConfiguration()
            parserLimits.maxHeaderFieldSize = limits.headerBytes
            parserLimits.maxHeaderListSize = limits.headerBytes
            parserLimits.maxHeaderFieldCount = limits.headerFields
            let connection = ConnectionHandler(common)
            let pipeline = channel.pipeline.syncOperations
            let bytes = ByteWatch(connection)
            try pipeline.addHandler(bytes)
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: false,  // the asynchronous channel takes them in order
                withErrorHandling: false,  // ConnectionHandler answers
                withOutboundHeaderValidation: false,  // HTTPFields has validated them
                withEncoderConfiguration: .init(),
                withDecoderLimitConfiguration: parserLimits)
            try pipeline.addHandler(connection)
            connection.bytes = bytes
            if !admission.admits(channel) { channel.close(promise: nil) }
            return Value(
                channel: channel,
                connection: NIOLoopBound(connection, eventLoop: channel.eventLoop))
        }
    }

    func handle(value: Value, logger: Logger) async {
        let channel = value.channel
        do {
            let application = try await channel.eventLoop.submit {
                guard channel.isActive else { throw ChannelError.ioOnClosedChannel }
                let application = try NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>(
                    wrappingChannelSynchronously: channel,
                    configuration: .init(isOutboundHalfClosureEnabled: true))
                value.connection.value.applicationIsThere()
                return application
            }.get()
            await handleHTTP(asyncChannel: application, logger: logger)
        } catch {
            // It was closed before anybody asked anything.
            channel.close(promise: nil)
        }
    }
}
