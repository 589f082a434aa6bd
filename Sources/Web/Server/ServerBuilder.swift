package import Hummingbird
package import HummingbirdCore
import HummingbirdTLS
package import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Builds the HTTP/1.1 server of one listener: what Hummingbird's `Application(server:)` takes.
package enum ServerBuilder {
    package static func plain(
        limits: HTTPLimits = HTTPLimits(), recorder: AccessRecorder = AccessRecorder(),
        hotPath: HotPath? = nil
    ) -> HTTPServerBuilder {
        builder(limits: limits, recorder: recorder, hotPath: hotPath, isSecure: false)
    }

    package static func tls(
        _ certificates: CertificateReload, limits: HTTPLimits = HTTPLimits(),
        recorder: AccessRecorder = AccessRecorder(), hotPath: HotPath? = nil
    ) throws -> HTTPServerBuilder {
        try .tls(
            builder(limits: limits, recorder: recorder, hotPath: hotPath, isSecure: true),
            tlsConfiguration: certificates.configuration())
    }

    /// What `Application(configuration:)` takes: the address, and how many may connect.
    package static func configuration(
        _ address: ListenAddress, limits: HTTPLimits = HTTPLimits(), logger: Logger
    ) -> ApplicationConfiguration {
        ApplicationConfiguration(
            address: address.bindAddress, backlog: 1024,
            availableConnectionsDelegate: MaximumAvailableConnections(
                limits.connections, logger: logger))
    }

    private static func builder(
        limits: HTTPLimits, recorder: AccessRecorder, hotPath: HotPath?, isSecure: Bool
    ) -> HTTPServerBuilder {
        HTTPServerBuilder { responder in
            ConnectionChannel(
                responder: responder, limits: limits, recorder: recorder, hotPath: hotPath,
                isSecure: isSecure)
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
    let limits: HTTPLimits
    let recorder: AccessRecorder
    let hotPath: HotPath?
    let isSecure: Bool

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            // One read takes little: what comes behind a request waits, and most of it in the kernel.
            try channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
            try channel.syncOptions?.setOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 64, initial: 2048, maximum: 16384))
            var parserLimits = NIOHTTPDecoderLimitConfiguration()
            parserLimits.maxHeaderFieldSize = limits.headerBytes
            parserLimits.maxHeaderListSize = limits.headerBytes
            parserLimits.maxHeaderFieldCount = limits.headerFields
            let connection = ConnectionHandler(
                limits: limits, isSecure: isSecure, recorder: recorder, hotPath: hotPath,
                logger: logger)
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
