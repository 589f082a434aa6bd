import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// The channel handler between the HTTP/1 parser and the application.
///
/// It hands over complete requests only, one at a time. So an application never waits for a body, "has
/// arrived" has one meaning, and every refusal for the way a request was sent is made in one place. The
/// price is 64 KiB of memory for a request on its way, and that no body can be streamed; none is.
///
/// It also translates between the two vocabularies of NIO. The library's own codec parses every
/// target with Foundation's URLComponents, on the path of every request.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler, MessageReader {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let setup: ConnectionSetup
    private var state: ConnectionState
    private var context: ChannelHandlerContext?
    private var timer: Scheduled<Void>?
    private var timerDue = NIODeadline.distantFuture
    /// The request that is being read.
    private var head: HTTPRequestHead?
    private var collected: ByteBuffer?
    private var fields = AnswerFields()
    private lazy var peer = Peer(context?.remoteAddress?.ipAddress, setup.proxies)
    /// Where answers that are bytes already go, and where bytes wait.
    var bytes: ByteWatch?

    init(_ setup: ConnectionSetup) {
        self.setup = setup
        state = ConnectionState(limits: setup.limits, now: .now())
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        schedule()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        self.context = nil
        bytes = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        context.fireChannelInactive()
    }

    // MARK: Inbound

    /// Whether what is read is of no use any more.
    var isDiscarding: Bool { state.isDiscarding }

    /// Whether the next request may be parsed.
    var takesRequests: Bool { context != nil && state.takesRequests }

    var bodyBytesLeft: Int? { state.bodyBytesLeft }

    /// Bytes of one message were parsed.
    func parsed(_ count: Int) {
        perform(state.parsed(count, now: .now()))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            collected = nil
            perform(state.header(RequestFraming.of(head), now: .now()))
        case .body(var part):
            let action = state.body(part.readableBytes, now: .now())
            if !state.isDiscarding {
                if collected == nil { collected = part } else { collected?.writeBuffer(&part) }
            }
            perform(action)
        case .end:
            perform(state.messageEnded(now: .now()))
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // The application no longer asks for more, and what still comes has to be drained.
        if state.isDiscarding { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case HTTPParserError.headerOverflow:
            perform(state.reject(.headerTooLarge, now: .now()))
        case HTTPParserError.invalidContentLength
        where bytes?.part.map(RequestFraming.announcesTooMuch) ?? false:
            perform(state.reject(.bodyTooLarge, now: .now()))
        case is HTTPParserError:
            // Another version too: to the parser a line that ends wrongly is one.
            perform(state.reject(.malformed, now: .now()))
        case is ByteToMessageDecoderError:
            // More bytes after a parser's error: dropped, as all of them are from then on.
            break
        default:
            // The TLS or socket layer failed: there is nobody to answer.
            context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            state.quiesce(now: .now())
            schedule()
        case ChannelEvent.inputClosed:
            perform(state.inputEnded(now: .now()))
            // The application hears of it after all that came before it.
            if state.tellsEnd() { context.fireUserInboundEventTriggered(event) }
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        // A peer that does not read its answers is asked for nothing more.
        state.isWritable = context.channel.isWritable
        context.fireChannelWritabilityChanged()
        if state.isWritable { goOn(context) }
    }

    // MARK: APIs

    /// Has an API answer a request, at once where it need not wait.
    private func answer(
        _ head: HTTPRequestHead, _ path: String, _ body: ByteBuffer?, by api: any API,
        _ context: ChannelHandlerContext
    ) {
        state.isAnsweredHere = true
        let request = APIRequest(
            method: head.method, path: path, headers: head.headers, body: body ?? ByteBuffer(),
            id: fields.requestID(head.headers.first(name: RequestID.fieldName.rawName)),
            client: peer.client(head.headers), arrivedAt: .now)
        let loop = context.eventLoop
        let handler = NIOLoopBound(self, eventLoop: loop)
        // Begun on this event loop, and over with its answer, for which the connection waits.
        Task.immediate {
            var notes = RequestNotes()
            let answer = await api.answer(request, &notes)
            if loop.inEventLoop {
                handler.value.write(answer, to: request, notes)
            } else {
                let said = notes
                loop.execute { handler.value.wrote(answer, to: request, said) }
            }
        }
    }

    /// Writes an answer that had to be waited for, and goes on.
    private func wrote(_ answer: APIAnswer, to request: APIRequest, _ notes: RequestNotes) {
        write(answer, to: request, notes)
        if let context { goOn(context) }
    }

    private func write(_ answer: APIAnswer, to request: APIRequest, _ notes: RequestNotes) {
        setup.recorder.answered(
            AccessRecord(request, answer, notes, duration: request.arrivedAt.duration(to: .now)))
        guard let context, let form = state.answerBegan(moreWaits: moreWaits) else { return }
        let buffer = answer.encoded(
            form, requestID: request.id, date: fields.date, last: setup.lastFields)
        let action = state.answerEnded(now: .now())
        guard action == .finish else {
            bytes?.write(buffer, promise: nil)
            return perform(action)
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        bytes?.write(buffer, promise: written)
        endOutput(context, after: written.futureResult)
        schedule()
    }

    /// Whether bytes wait until the request before them was answered.
    private var moreWaits: Bool { bytes?.isHolding ?? false }

    /// While a request waits for its answer, reading goes on until something has arrived: to stop and to
    /// begin again would be two system calls for each request. (What a peer sends before it ends its side
    /// arrives also where nobody reads.)
    func read(context: ChannelHandlerContext) {
        if state.reads(moreWaits: moreWaits) { context.read() }
    }

    /// From now on there is somebody to deliver requests to.
    func applicationIsThere() {
        state.applicationIsThere()
        if let context { goOn(context) }
    }

    /// Goes on with what had to wait, in order, until it has to wait again.
    private func goOn(_ context: ChannelHandlerContext) {
        bytes?.goOn()
        // The application takes what it was given at the end of a read, which was long ago.
        context.fireChannelReadComplete()
        let held = state.takeHeld(moreWaits: moreWaits)
        if held.end { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        if held.read { context.read() }
    }

    /// Goes on after an answer of the application's, which is still being written.
    private func goOnLater(_ context: ChannelHandlerContext) {
        guard moreWaits else { return }
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute {
            if let context = handler.value.context { handler.value.goOn(context) }
        }
    }

    // MARK: Delivering

    private func deliver(
        _ head: HTTPRequestHead, _ body: ByteBuffer?, _ context: ChannelHandlerContext
    ) {
        let path = AccessText.withoutQuery(RequestFraming.originForm(head.uri))
        if let api = setup.api, api.has(path) {
            answer(head, path, body, by: api, context)
        } else {
            handOver(head, body, context)
        }
    }

    /// Gives a complete request to the application.
    private func handOver(
        _ head: HTTPRequestHead, _ body: ByteBuffer?, _ context: ChannelHandlerContext
    ) {
        let request: HTTPRequest
        do {
            request = HTTPRequest(
                method: try HTTPRequest.Method(head.method),
                scheme: setup.isSecure ? "https" : "http",
                authority: head.headers.first(name: "host"),
                path: RequestFraming.originForm(head.uri),
                headerFields: HTTPFields(head.headers, splitCookie: false))
        } catch {
            // The parser lets only methods of its own list through, and all of them convert.
            context.close(promise: nil)
            return
        }
        context.fireChannelRead(wrapInboundOut(.head(request)))
        if let body, body.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(.body(body)))
        }
        context.fireChannelRead(wrapInboundOut(.end(nil)))
    }

    // MARK: Outbound

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let response):
            guard let form = state.answerBegan(moreWaits: moreWaits) else {
                promise?.fail(ChannelError.outputClosed)
                return
            }
            var head = HTTPResponseHead(response)
            if form.closes {
                head.headers.replaceOrAdd(name: "Connection", value: "close")
            } else if form.isHTTP10 {
                head.headers.replaceOrAdd(name: "Connection", value: "keep-alive")
            }
            if form.omitsBody, !head.headers.contains(name: "content-length") {
                // Else the encoder would announce chunks that never come.
                head.headers.add(name: "Content-Length", value: "0")
            }
            for (name, value) in setup.lastFields { head.headers.add(name: name, value: value) }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body(let buffer):
            guard state.writesBody else {
                promise?.succeed()
                return
            }
            context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: promise)
        case .end(let trailers):
            guard state.isAnswering else {
                promise?.fail(ChannelError.outputClosed)
                return
            }
            let action = state.answerEnded(now: .now())
            let written = context.eventLoop.makePromise(of: Void.self)
            if let promise { written.futureResult.cascade(to: promise) }
            context.write(
                wrapOutboundOut(.end(trailers.map(HTTPHeaders.init))),
                promise: action == .finish || promise != nil ? written : nil)
            if action == .finish {
                endOutput(context, after: written.futureResult)
            } else if promise == nil {
                written.succeed()
            }
            if action != .finish { perform(action) } else { schedule() }
            goOnLater(context)
        }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        // The application ends its side as soon as it sees the peer's end; when the socket's ends
        // is decided here.
        if mode == .output {
            promise?.succeed()
        } else {
            context.close(mode: mode, promise: promise)
        }
    }

    private func reject(_ rejection: Rejection, _ context: ChannelHandlerContext) {
        let requestID = RequestID.of(head?.headers.first(name: RequestID.fieldName.rawName))
        let omitsBody = head?.method == .HEAD
        setup.recorder.rejected(
            rejection, method: head?.method.rawValue, path: head?.uri, requestID: requestID,
            address: peer.text)
        head = nil
        collected = nil
        let answer = APIAnswer(
            status: rejection.status, contentType: "application/json",
            body: Array(rejection.json.utf8)[...])
        let written = context.eventLoop.makePromise(of: Void.self)
        bytes?.write(
            answer.encoded(
                .init(omitsBody: omitsBody, isHTTP10: false, closes: true), requestID: requestID,
                date: fields.date, last: setup.lastFields), promise: written)
        endOutput(context, after: written.futureResult)
    }

    /// Ends our side once everything was written, so that the peer reads the answer and then an
    /// end, and never a reset (RFC 9112 §9.6).
    private func endOutput(_ context: ChannelHandlerContext, after written: EventLoopFuture<Void>) {
        written.assumeIsolated().whenComplete { result in
            if case .success = result, !self.state.peerIsDone {
                context.close(mode: .output, promise: nil)
                context.read()
            } else {
                context.close(promise: nil)
            }
        }
        context.flush()
    }

    // MARK: Performing

    private func perform(_ action: ConnectionState.Action) {
        guard let context else { return }
        switch action {
        case .none: break
        case .deliver:
            if let head = head.take() { deliver(head, collected.take(), context) }
        case .sendContinue:
            context.writeAndFlush(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))),
                promise: nil)
        case .reject(let rejection): reject(rejection, context)
        case .finish: endOutput(context, after: context.eventLoop.makeSucceededVoidFuture())
        case .close:
            context.close(promise: nil)
            return
        }
        schedule()
    }

    /// Sees to it that the timer fires no later than the deadline.
    ///
    /// It may fire earlier and is put off then: deadlines mostly move away, once a request, and
    /// cancelling a timer each time would cost more than the wake-up.
    private func schedule() {
        guard let context, context.channel.isActive || timer == nil else { return }
        let deadline = state.deadline
        guard deadline < timerDue else { return }
        timer?.cancel()
        timerDue = deadline
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.timer = nil
            self.timerDue = .distantFuture
            self.perform(self.state.timedOut(now: .now()))
        }
    }
}

@available(*, unavailable)
extension ConnectionHandler: Sendable {}

extension Optional {
    fileprivate mutating func take() -> Wrapped? {
        defer { self = nil }
        return self
    }
}
