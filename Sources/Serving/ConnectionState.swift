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
        /// Close immediately.
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
    /// The request that was delivered and is not answered. Nothing is read behind it meanwhile.
    private var exchange: RequestFraming?
    private var endedMessage = false
    private var isQuiescing = false
    private var inputClosed = false
    private var isFinishing = false
    /// Whether there is somebody to deliver requests to.
    private var hasApplication = false
    /// Whether the peer takes what is written.
    var isWritable = true
    /// Whether the request is answered without the application.
    var isAnsweredHere = false
    /// How the answer that is being written has to be sent.
    private var answer: AnswerForm?
    /// What has to wait: what the application asked to be read, and that it hears of the peer's end.
    private var held = (read: false, end: false)
    /// When ``timedOut(now:)`` has something to do.
    private(set) var deadline: NIODeadline

    init(limits: HTTPLimits, now: NIODeadline) {
        self.limits = limits
        deadline = now + limits.firstByte
    }

    /// True once what still arrives is only read to be dropped.
    var isDiscarding: Bool { isFinishing || reading == .stopped }

    /// Whether what arrives may be parsed: no request waits for its answer, and no answer for the peer. So
    /// one connection takes no more memory than one request needs, however many it sends at once.
    var takesRequests: Bool {
        exchange == nil && !isDiscarding && hasApplication && isWritable
    }

    /// What the request that is being read still lacks, in bytes; nil where only the parser knows.
    var bodyBytesLeft: Int? {
        guard case .body(let framing, let bytes, _) = reading else { return nil }
        return framing.contentLength.map { $0 - bytes }
    }

    /// Whether the answer has to say that nothing comes after it.
    /// - Parameter moreWaits: bytes have arrived that are not parsed yet.
    private func isLast(moreWaits: Bool) -> Bool {
        (isQuiescing || inputClosed) && !moreWaits && reading == .nothing
    }

    // MARK: What waits

    /// From now on requests can be delivered.
    mutating func applicationIsThere() {
        hasApplication = true
    }

    /// The application asks for more to be read. While bytes wait, that waits.
    mutating func reads(moreWaits: Bool) -> Bool {
        guard hasApplication, !moreWaits else {
            held.read = true
            return false
        }
        return true
    }

    /// Whether the application hears of the peer's end now, or after what came before it.
    mutating func tellsEnd() -> Bool {
        held.end = isAnsweredHere || !hasApplication
        return !held.end
    }

    /// What has waited and need not wait any more.
    mutating func takeHeld(moreWaits: Bool) -> (read: Bool, end: Bool) {
        guard !isAnsweredHere, hasApplication else { return (false, false) }
        let due = (read: held.read && !moreWaits, end: held.end)
        held = (read: held.read && !due.read, end: false)
        return due
    }

    // MARK: Reading

    /// `count` bytes were parsed, all of one message.
    mutating func parsed(_ count: Int, now: NIODeadline) -> Action {
        guard !endedMessage else {
            endedMessage = false
            return .none
        }
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
            return framing.expectsContinue ? .sendContinue : .none
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
        endedMessage = true
        // Only if the parser saw an end where ``MessageParts`` saw none: answers must never be mixed up.
        guard exchange == nil else { return reject(.malformed, now: now) }
        exchange = framing
        reading = framing.closes ? .stopped : .nothing
        deadline = now + limits.answer
        return .deliver
    }

    /// The parser refused what it read, or a rule above did. Behind a request that is being answered, the
    /// connection ends with the answer.
    mutating func reject(_ rejection: Rejection, now: NIODeadline) -> Action {
        guard reading != .stopped else { return .none }
        guard exchange == nil else {
            exchange?.closes = true
            reading = .stopped
            return .none
        }
        return finish(.reject(rejection), now: now)
    }

    // MARK: Answering

    /// The header of the answer is about to be written; nil: nobody asked.
    mutating func answerBegan(moreWaits: Bool) -> AnswerForm? {
        guard var exchange else { return nil }
        if isLast(moreWaits: moreWaits) {
            exchange.closes = true
            reading = .stopped
            self.exchange = exchange
        }
        let form = AnswerForm(
            omitsBody: exchange.isHead, isHTTP10: exchange.isHTTP10, closes: exchange.closes)
        answer = form
        return form
    }

    /// Whether an answer is being written, and whether with its body.
    var isAnswering: Bool { answer != nil }
    var writesBody: Bool { answer.map { !$0.omitsBody } ?? false }

    /// The answer was written to its end.
    mutating func answerEnded(now: NIODeadline) -> Action {
        guard let answered = exchange else { return .none }
        exchange = nil
        answer = nil
        isAnsweredHere = false
        if answered.closes { return finish(.finish, now: now) }
        deadline = now + (isQuiescing ? limits.quiesce : limits.idle)
        return .none
    }

    private mutating func finish(_ action: Action, now: NIODeadline) -> Action {
        reading = .stopped
        isFinishing = true
        exchange = nil
        answer = nil
        isAnsweredHere = false
        deadline = now + limits.linger
        return action
    }

    // MARK: Ending

    /// The time has come that ``deadline`` said, or an earlier one that was put off since.
    mutating func timedOut(now: NIODeadline) -> Action {
        guard now >= deadline else { return .none }
        switch reading {
        case .nothing, .stopped: return .close
        case .header, .body: return reject(.tooSlow, now: now)
        }
    }

    /// The server is stopping: what was accepted is answered, an idle connection ends soon.
    mutating func quiesce(now: NIODeadline) {
        isQuiescing = true
        if !isFinishing, reading == .nothing, exchange == nil {
            deadline = now + limits.quiesce
        }
    }

    /// The peer will send nothing more, and all that it sent was parsed.
    mutating func inputEnded(now: NIODeadline) -> Action {
        inputClosed = true
        if isFinishing { return .close }
        switch reading {
        case .nothing: return exchange == nil ? .close : .none
        case .header, .body: return reject(.malformed, now: now)
        case .stopped: return .none
        }
    }

    /// True if nothing more can come from the peer, so that lingering for it is idle.
    var peerIsDone: Bool { inputClosed }
}
