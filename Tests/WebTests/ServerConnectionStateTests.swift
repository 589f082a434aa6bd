import NIOCore
import Testing

@testable import Serving
@testable import Web

/// The decisions of a connection, without a connection.
@Suite struct ServerConnectionStateTests {
    let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func state(_ limits: HTTPLimits = HTTPLimits()) -> ConnectionState {
        var state = ConnectionState(limits: limits, now: start)
        state.applicationIsThere()
        return state
    }

    private func request(
        _ state: inout ConnectionState, closes: Bool = false
    ) -> [ConnectionState.Action] {
        var framing = RequestFraming()
        framing.closes = closes
        return [state.header(.success(framing), now: start), state.messageEnded(now: start)]
    }

    @Test func aRequestIsDeliveredAndItsAnswerKeepsTheConnection() {
        var state = state()
        #expect(request(&state) == [.none, .deliver])
        #expect(
            state.answerBegan(moreWaits: false)
                == .init(omitsBody: false, isHTTP10: false, closes: false))
        #expect(state.answerEnded(now: start) == .none)
        #expect(state.deadline == start + .seconds(75))
        #expect(state.timedOut(now: start + .seconds(74)) == .none)
        #expect(state.timedOut(now: start + .seconds(75)) == .close)
    }

    @Test func anAnswerThatNobodyAskedForIsNotWritten() {
        var state = state()
        #expect(state.answerBegan(moreWaits: false) == nil)
        #expect(state.answerEnded(now: start) == .none)
    }

    @Test func nothingIsReadAfterARequestThatCloses() {
        var state = state()
        _ = request(&state, closes: true)
        #expect(state.isDiscarding)
        #expect(request(&state) == [.none, .none])
        #expect(state.answerEnded(now: start) == .finish)
        #expect(state.inputEnded(now: start) == .close)
    }

    /// A connection holds one request at a time, however many its peer sends at once.
    @Test func nothingIsTakenBehindARequestUntilItIsAnswered() {
        var state = state()
        #expect(state.takesRequests)
        _ = request(&state)
        #expect(!state.takesRequests && !state.isDiscarding)
        // 75 s for the answer, and none for what the peer sends next: it is not read.
        #expect(state.deadline == start + .seconds(75))
        #expect(state.timedOut(now: start + .seconds(74)) == .none)
        #expect(state.parsed(30, now: start) == .none)
        #expect(state.answerEnded(now: start + .seconds(74)) == .none)
        #expect(state.takesRequests)
        #expect(state.parsed(1, now: start + .seconds(80)) == .none)
        #expect(state.deadline == start + .seconds(90))
    }

    /// Should the parser ever give two, answers are not mixed up.
    @Test func aSecondRequestBehindOneEndsTheConnectionWithTheAnswer() {
        var state = state()
        _ = request(&state)
        #expect(request(&state) == [.none, .none])
        #expect(state.answerBegan(moreWaits: false)?.closes == true)
        #expect(state.answerEnded(now: start) == .finish)
    }

    @Test func aPeerThatReadsNoAnswersIsCutOff() {
        var state = state()
        _ = request(&state)
        #expect(state.timedOut(now: start + .seconds(75)) == .close)
    }

    @Test func anAnswerGoesOnUnlessItIsTheLast() {
        var state = state()
        _ = request(&state)
        _ = state.inputEnded(now: start)
        // What has arrived before the end, and is not parsed yet, is answered too.
        #expect(state.answerBegan(moreWaits: true)?.closes == false)
        #expect(state.answerBegan(moreWaits: false)?.closes == true)
    }

    /// Nothing is parsed before there is somebody to deliver it to, nor while the peer takes no answers.
    @Test func requestsWaitForWhoeverTakesThem() {
        var state = ConnectionState(limits: HTTPLimits(), now: start)
        #expect(!state.takesRequests)
        let (reads, tells) = (state.reads(moreWaits: false), state.tellsEnd())
        #expect(!reads && !tells)
        var held = state.takeHeld(moreWaits: false)
        #expect(held == (false, false))
        state.applicationIsThere()
        #expect(state.takesRequests)
        held = state.takeHeld(moreWaits: true)
        #expect(held == (read: false, end: true))
        held = state.takeHeld(moreWaits: false)
        #expect(held == (read: true, end: false))
        held = state.takeHeld(moreWaits: false)
        #expect(held == (false, false))
        state.isWritable = false
        #expect(!state.takesRequests)
    }

    /// The application hears of nothing while a request is answered without it.
    @Test func theEndWaitsForAnAnswerThatIsNotTheApplications() {
        var state = state()
        _ = request(&state)
        state.isAnsweredHere = true
        let (reads, tells) = (state.reads(moreWaits: true), state.tellsEnd())
        #expect(!reads && !tells)
        var held = state.takeHeld(moreWaits: false)
        #expect(held == (false, false))
        _ = state.answerBegan(moreWaits: false)
        #expect(state.answerEnded(now: start) == .none)
        #expect(!state.isAnsweredHere)
        held = state.takeHeld(moreWaits: false)
        #expect(held == (read: true, end: true))
    }

    @Test func bodiesAreCounted() {
        var limits = HTTPLimits()
        limits.bodyBytes = 10
        var state = state(limits)
        var framing = RequestFraming()
        framing.contentLength = nil
        #expect(state.header(.success(framing), now: start) == .none)
        #expect(state.body(10, now: start) == .none)
        #expect(state.body(1, now: start) == .reject(.bodyTooLarge))
        #expect(state.isDiscarding)
        #expect(state.messageEnded(now: start) == .none)
    }

    @Test(arguments: [(10, ConnectionState.Action.none), (11, .reject(.bodyTooLarge))])
    func announcedBodiesAreRefusedAtOnce(_ length: Int, _ action: ConnectionState.Action) {
        var limits = HTTPLimits()
        limits.bodyBytes = 10
        var state = state(limits)
        var framing = RequestFraming()
        framing.contentLength = length
        #expect(state.header(.success(framing), now: start) == action)
    }

    @Test func continuingIsSaidToAClientThatWaits() {
        var framing = RequestFraming()
        framing.contentLength = 3
        framing.expectsContinue = true
        var state = state()
        #expect(state.header(.success(framing), now: start) == .sendContinue)
        #expect(state.bodyBytesLeft == 3)
        _ = state.body(2, now: start)
        #expect(state.bodyBytesLeft == 1)
    }

    @Test func theHeadersTimeRunsFromItsFirstByte() {
        var state = state()
        #expect(state.parsed(1, now: start + .seconds(3)) == .none)
        #expect(state.parsed(1, now: start + .seconds(9)) == .none)
        #expect(state.deadline == start + .seconds(13))
        #expect(state.timedOut(now: start + .seconds(13)) == .reject(.tooSlow))
    }

    @Test func aStoppingServerSaysCloseAndThenCloses() {
        var state = state()
        _ = request(&state)
        state.quiesce(now: start)
        #expect(state.answerBegan(moreWaits: false)?.closes == true)
        #expect(state.answerEnded(now: start) == .finish)
    }

    @Test func aStoppingServerGivesAnIdleConnectionAMoment() {
        var state = state()
        state.quiesce(now: start)
        #expect(state.deadline == start + HTTPLimits().quiesce)
        #expect(request(&state) == [.none, .deliver])
        #expect(state.answerBegan(moreWaits: false)?.closes == true)
    }

    @Test func ofTwoRequestsTheLastSaysClose() {
        var state = state()
        _ = request(&state)
        state.quiesce(now: start)
        #expect(state.answerBegan(moreWaits: true)?.closes == false)
        #expect(state.answerEnded(now: start) == .none)
        _ = request(&state)
        #expect(state.answerBegan(moreWaits: false)?.closes == true)
        #expect(state.answerEnded(now: start) == .finish)
    }

    @Test(arguments: [
        ("/a?b", "/a?b"), ("http://x/a", "/a"), ("https://x:1/a?b", "/a?b"), ("HTTP://x", "/"),
        ("http://x?b", "/?b"), ("ftp://x/a", "ftp://x/a"), ("*", "*"),
    ])
    func targetsAreMadeIntoPaths(_ target: String, _ path: String) {
        #expect(RequestFraming.originForm(target) == path)
    }
}
