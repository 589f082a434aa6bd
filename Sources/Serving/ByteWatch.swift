import NIOCore

/// Gives the parser what one request needs, and keeps the rest until that request was answered.
///
/// The parser would make all requests of a read before any is answered, each many times as large as its
/// bytes, and
/// says nothing until a header is complete: a peer that sends one byte a second would never be noticed
/// behind it. So this stands before it, cuts what arrives where a request may end (``MessageParts``),
/// and tells the ``MessageReader`` what was parsed.
///
/// Answers that are bytes already leave through it too, past the encoder.
final class ByteWatch: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connection: any MessageReader
    private var context: ChannelHandlerContext?
    private var parts = MessageParts()
    /// What was read and is not parsed yet, and whether the peer has ended its side after it.
    private var waiting = ByteBuffer()
    private var isEndWaiting = false
    /// What is being parsed.
    private(set) var part: ByteBuffer?

    init(_ connection: any MessageReader) {
        self.connection = connection
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    /// Whether there are bytes that have to wait.
    var isHolding: Bool { waiting.readableBytes > 0 }

    func write(_ answer: ByteBuffer, promise: EventLoopPromise<Void>?) {
        guard let context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.writeAndFlush(wrapOutboundOut(answer), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        // The parser would keep what follows an upgrade for another protocol, all of it.
        if connection.isDiscarding { return }
        if isHolding || part != nil || !connection.takesRequests {
            waiting.writeBuffer(&bytes)
        } else {
            parse(bytes, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The parser takes nothing after the end.
        if isHolding, case .inputClosed? = event as? ChannelEvent {
            isEndWaiting = true
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    /// Goes on with what waits, where the request before it was answered.
    func goOn() {
        guard isHolding, part == nil, connection.takesRequests, let context else { return }
        let bytes = waiting
        waiting = ByteBuffer()
        parse(bytes, context)
        guard isEndWaiting, !isHolding else { return }
        isEndWaiting = false
        context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    }

    private func parse(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        waiting = bytes
        while connection.takesRequests, isHolding {
            let count = parts.next(
                in: waiting.readableBytesView, bodyLeft: connection.bodyBytesLeft)
            guard let part = waiting.readSlice(length: count) else { break }
            self.part = part
            context.fireChannelRead(wrapInboundOut(part))
            connection.parsed(count)
        }
        part = nil
        if connection.isDiscarding || !isHolding { waiting = ByteBuffer() }
    }
}

@available(*, unavailable)
extension ByteWatch: Sendable {}

/// Who reads what was parsed, and says what may be parsed next.
protocol MessageReader: AnyObject {
    /// Whether what is read is of no use any more.
    var isDiscarding: Bool { get }
    /// Whether the next request may be parsed.
    var takesRequests: Bool { get }
    /// What the body still lacks whose header was parsed, where that is known.
    var bodyBytesLeft: Int? { get }

    /// Bytes of one message were parsed.
    func parsed(_ count: Int)
}

/// Where in what a peer sends a message may end: pure.
///
/// A message ends with its header, with a body of the length that the header says, or, in chunks, with
/// the empty line after the last one. So a part that ends there, or at the first empty line, has the end
/// of one message at the most.
struct MessageParts {
    private enum Place {
        case inLine
        case atStart
        case afterReturn
    }

    private var place = Place.inLine

    /// How many bytes the next part has, at least one.
    /// - Parameter bodyLeft: what the body still lacks whose header was parsed, where that is known.
    mutating func next(in bytes: ByteBufferView, bodyLeft: Int?) -> Int {
        if let bodyLeft, bodyLeft > 0 { return min(bodyLeft, bytes.count) }
        for (offset, byte) in bytes.enumerated() {
            switch (place, byte) {
            case (.atStart, UInt8(ascii: "\r")):
                place = .afterReturn
            case (.atStart, UInt8(ascii: "\n")), (.afterReturn, UInt8(ascii: "\n")):
                place = .inLine
                return offset + 1
            case (_, UInt8(ascii: "\n")):
                place = .atStart
            default:
                place = .inLine
            }
        }
        return bytes.count
    }
}
