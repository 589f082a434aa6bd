import NIOCore

/// What one HTTP connection is doing and what has to be done next: decided here, without I/O or
/// clock, and performed by ``ConnectionHandler``.
struct ConnectionState {
    enum Action: Equatable {
        case none
        /// Write `100 Continue`.
        case sendContinue
        /// Hand the complete request to the application.
        case deliver
        /// Write this refusal, then finish.
        case reject(Rejection)
        /// Everything was written: end our side, and read until the peer ends its own.
        case finish
        /// Close at once.
        case close
    }

    /// How an answer has to be sent.
    struct AnswerForm: Equatable {
        var omitsBody: Bool
        var isHTTP10: Bool
        var closes: Bool
    }

    private enum Reading: Equatable {
        /// Nothing of a next request has been seen.
        case nothing
        case header(bytes: Int)
        case body(RequestFraming, bytes: Int, raw: Int)
        /// Nothing more is read as a request.
        case stopped
    }

    private let limits: HTTPLimits
    private var reading = Reading.nothing
    /// Requests that were delivered and are not answered, oldest first.
    private var exchanges = CircularBuffer<RequestFraming>()
    /// A refusal that waits for the answers before it.
    private var waitingRejection: Rejection?
    private var endedMessageInThisRead = false
    private var isQuiescing = false
    private var inputClosed = false
    private var isFinishing = false
    /// When ``timedOut(now:)`` has something to do.
    private(set) var deadline: NIODeadline

    init(limits: HTTPLimits, now: NIODeadline) {
        self.limits = limits
        deadline = now + limits.firstByte
    }

    /// True once what still arrives is only read to be dropped.
    var isDiscarding: Bool { isFinishing || reading == .stopped }

    /// Whether the connection goes on as it is: the answer to its oldest request ends nothing.
    var goesOn: Bool {
        waitingRejection == nil && !isQuiescing && !inputClosed && !isDiscarding
    }

    /// Whether nothing comes after the oldest request, which its answer has to say.
    private var isLast: Bool {
        (isQuiescing || inputClosed) && exchanges.count == 1 && reading == .nothing
    }

    /// Whether there is an oldest request, and its answer need not say that the connection ends; what came
    /// after it, or a refusal that waits, does not matter.
    var answerGoesOn: Bool { exchanges.first.map { !$0.closes && !isLast } ?? false }

    /// Whether the request that was delivered just now is the only one, on a connection that goes on.
    var mayAnswerAtOnce: Bool { exchanges.count == 1 && goesOn }

    /// Whether no request is on its way, on a connection that goes on: one that is complete may be
    /// answered unparsed.
    var isIdle: Bool { exchanges.isEmpty && reading == .nothing && goesOn }

    /// A request was answered without having been read as one.
    mutating func answeredUnparsed(now: NIODeadline) {
        deadline = now + limits.idle
    }

    /// A request has arrived that is not read as one, and is answered later.
    mutating func arrivedUnparsed(now: NIODeadline) {
        exchanges.append(RequestFraming())
        deadline = now + limits.answer
    }

    // MARK: Reading

    /// Bytes are about to be parsed.
    mutating func readBegan() {
        endedMessageInThisRead = false
    }

    /// `count` bytes were parsed.
    ///
    /// Bytes of a header are counted only from the read after the one that ended the last message:
    /// where in a read the next message begins, only the parser knows.
    mutating func readEnded(_ count: Int, now: NIODeadline) -> Action {
        guard !endedMessageInThisRead else { return .none }
        switch reading {
        case .nothing:
            deadline = now + limits.header
            return countHeader(count, now: now)
        case .header(let bytes):
            return countHeader(bytes + count, now: now)
        case .body(let framing, let bytes, let raw):
            reading = .body(framing, bytes: bytes, raw: raw + count)
            return raw + count > limits.rawBodyBytes ? reject(.bodyTooLarge, now: now) : .none
        case .stopped:
            return .none
        }
    }

    private mutating func countHeader(_ bytes: Int, now: NIODeadline) -> Action {
        reading = .header(bytes: bytes)
        return bytes > limits.rawHeaderBytes ? reject(.headerTooLarge, now: now) : .none
    }

    /// A header was read.
    mutating func header(
        _ framing: Result<RequestFraming, Rejection>, now: NIODeadline
    ) -> Action {
        guard reading != .stopped else { return .none }
        switch framing {
        case .failure(let rejection):
            return reject(rejection, now: now)
        case .success(let framing):
            if let length = framing.contentLength, length > limits.bodyBytes {
                return reject(.bodyTooLarge, now: now)
            }
            reading = .body(framing, bytes: 0, raw: 0)
            deadline = now + limits.body
            // Behind an answer that is still due, the client cannot be waiting for ours.
            return framing.expectsContinue && exchanges.isEmpty ? .sendContinue : .none
        }
    }

    /// A part of the body was read. The caller keeps the bytes if ``isDiscarding`` is false.
    mutating func body(_ count: Int, now: NIODeadline) -> Action {
        guard case .body(let framing, let bytes, let raw) = reading else { return .none }
        reading = .body(framing, bytes: bytes + count, raw: raw)
        return bytes + count > limits.bodyBytes ? reject(.bodyTooLarge, now: now) : .none
    }

    /// The request is complete.
    mutating func messageEnded(now: NIODeadline) -> Action {
        guard case .body(let framing, _, _) = reading else { return .none }
        endedMessageInThisRead = true
        exchanges.append(framing)
        reading = framing.closes ? .stopped : .nothing
        deadline = now + limits.answer
        return .deliver
    }

    /// The parser refused what it read, or a rule above did.
    mutating func reject(_ rejection: Rejection, now: NIODeadline) -> Action {
        guard reading != .stopped else { return .none }
        reading = .stopped
        guard exchanges.isEmpty else {
            waitingRejection = rejection
            deadline = now + limits.answer
            return .none
        }
        return finish(.reject(rejection), now: now)
    }

    // MARK: Answering

    /// The header of the oldest request's answer is about to be written; nil: nobody asked.
    mutating func answerBegan() -> AnswerForm? {
        guard !exchanges.isEmpty else { return nil }
        if isLast {
            exchanges[exchanges.startIndex].closes = true
            reading = .stopped
        }
        let exchange = exchanges[exchanges.startIndex]
        return AnswerForm(
            omitsBody: exchange.isHead, isHTTP10: exchange.isHTTP10, closes: exchange.closes)
    }

    /// The answer was written to its end.
    mutating func answerEnded(now: NIODeadline) -> Action {
        guard let exchange = exchanges.popFirst() else { return .none }
        if exchange.closes { return finish(.finish, now: now) }
        guard exchanges.isEmpty else {
            // A request that is being read behind them keeps the deadline it has.
            if reading == .nothing || reading == .stopped { deadline = now + limits.answer }
            return .none
        }
        if let waitingRejection { return finish(.reject(waitingRejection), now: now) }
        switch reading {
        case .nothing: deadline = now + (isQuiescing ? limits.quiesce : limits.idle)
        case .body(let framing, bytes: 0, raw: _) where framing.expectsContinue:
            return .sendContinue
        case .header, .body, .stopped: break
        }
        return .none
    }

    private mutating func finish(_ action: Action, now: NIODeadline) -> Action {
        reading = .stopped
        isFinishing = true
        exchanges.removeAll()
        deadline = now + limits.linger
        return action
    }

    // MARK: Ending

    /// The time has come that ``deadline`` said, or an earlier one that was put off since.
    mutating func timedOut(now: NIODeadline) -> Action {
        guard now >= deadline else { return .none }
        if isFinishing { return .close }
        switch reading {
        case .nothing, .stopped: return .close
        case .header, .body: return reject(.tooSlow, now: now)
        }
    }

    /// The server is stopping: what was accepted is answered, an idle connection ends soon.
    mutating func quiesce(now: NIODeadline) {
        isQuiescing = true
        if !isFinishing, reading == .nothing, exchanges.isEmpty {
            deadline = now + limits.quiesce
        }
    }

    /// The peer will send nothing more.
    mutating func inputEnded(now: NIODeadline) -> Action {
        inputClosed = true
        if isFinishing { return .close }
        switch reading {
        case .nothing: return exchanges.isEmpty ? .close : .none
        case .header, .body: return reject(.malformed, now: now)
        case .stopped: return .none
        }
    }

    /// True if nothing more can come from the peer, so that lingering for it is idle.
    var peerIsDone: Bool { inputClosed }
}
