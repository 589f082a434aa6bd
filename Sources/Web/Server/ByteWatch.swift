import NIOCore

/// Tells the ``ConnectionHandler`` when bytes begin and end to be parsed.
///
/// It stands before the parser, which says nothing until a header is complete: a peer that sends
/// one byte a second would never be noticed behind it.
final class ByteWatch: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: ConnectionHandler

    init(_ connection: ConnectionHandler) {
        self.connection = connection
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let count = unwrapInboundIn(data).readableBytes
        connection.readBegan()
        context.fireChannelRead(data)
        connection.readEnded(count)
    }
}

@available(*, unavailable)
extension ByteWatch: Sendable {}
