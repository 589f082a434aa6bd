import NIOCore

/// Tells the ``ConnectionHandler`` when bytes begin and end to be parsed.
///
/// It stands before the parser, which says nothing until a header is complete: a peer that sends
/// one byte a second would never be noticed behind it.
///
/// Answers that are bytes already leave through it too, past the encoder; and a request whose header
/// is known is answered from here, past the parser.
final class ByteWatch: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connection: ConnectionHandler
    private var context: ChannelHandlerContext?

    init(_ connection: ConnectionHandler) {
        self.connection = connection
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func write(_ answer: ByteBuffer) {
        context?.writeAndFlush(wrapOutboundOut(answer), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        // The parser would keep what follows an upgrade for another protocol, all of it.
        if connection.isDiscarding || connection.answered(unparsed: bytes) { return }
        connection.readBegan()
        context.fireChannelRead(data)
        connection.readEnded(bytes)
    }
}

@available(*, unavailable)
extension ByteWatch: Sendable {}
