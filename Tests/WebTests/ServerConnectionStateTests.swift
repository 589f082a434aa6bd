import NIOCore
import Testing

@testable import Web

/// The decisions of a connection, without a connection.
@Suite struct ServerConnectionStateTests {
    let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func state(_ limits: HTTPLimits = HTTPLimits()) -> ConnectionState {
        ConnectionState(limits: limits, now: start)
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
            state.answerBegan() == .init(omitsBody: false, isHTTP10: false, closes: false))
        #expect(state.answerEnded(now: start) == .none)
        #expect(state.deadline == start + .seconds(75))
        #expect(state.timedOut(now: start + .seconds(74)) == .none)
        #expect(state.timedOut(now: start + .seconds(75)) == .close)
    }

    @Test func anAnswerThatNobodyAskedForIsNotWritten() {
        var state = state()
        #expect(state.answerBegan() == nil)
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

    @Test func aRefusalWaitsForTheAnswersBeforeIt() {
        var state = state()
        _ = request(&state)
        _ = request(&state)
        #expect(state.reject(.malformed, now: start) == .none)
        #expect(state.reject(.tooSlow, now: start) == .none)
        #expect(state.answerEnded(now: start) == .none)
        #expect(state.answerEnded(now: start) == .reject(.malformed))
        #expect(state.timedOut(now: start + .seconds(5)) == .close)
    }

    /// What comes after the oldest request does not change how it is answered; its own end does.
    @Test func whatComesAfterLeavesTheAnswerAsItIs() {
        var state = state()
        #expect(!state.answerGoesOn)
        _ = request(&state)
        #expect(state.answerGoesOn)
        _ = request(&state, closes: true)
        #expect(state.answerGoesOn && !state.goesOn)
        _ = state.answerBegan()
        _ = state.answerEnded(now: start)
        #expect(!state.answerGoesOn)

        state = self.state()
        _ = request(&state)
        _ = state.reject(.malformed, now: start)
        #expect(state.answerGoesOn && !state.goesOn)

        state = self.state()
        _ = request(&state)
        _ = state.inputEnded(now: start)
        #expect(!state.answerGoesOn)
        #expect(state.answerBegan()?.closes == true)
    }

    /// A body that waits for a word of ours gets it once the answers before it were written.
    @Test func continuesBehindAnAnswer() {
        var state = state()
        var framing = RequestFraming()
        framing.contentLength = 5
        framing.expectsContinue = true
        _ = request(&state)
        _ = request(&state)
        #expect(state.header(.success(framing), now: start) == .none)
        #expect(state.answerEnded(now: start) == .none)
        #expect(state.answerEnded(now: start) == .sendContinue)
        #expect(state.body(5, now: start) == .none)
        #expect(state.messageEnded(now: start) == .deliver)
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

    @Test func continuingIsOnlySaidToAClientThatWaits() {
        var framing = RequestFraming()
        framing.contentLength = 3
        framing.expectsContinue = true
        var first = state()
        #expect(first.header(.success(framing), now: start) == .sendContinue)
        var second = state()
        _ = request(&second)
        #expect(second.header(.success(framing), now: start) == .none)
    }

    @Test func theHeadersTimeRunsFromItsFirstByte() {
        var state = state()
        state.readBegan()
        #expect(state.readEnded(1, now: start + .seconds(3)) == .none)
        state.readBegan()
        #expect(state.readEnded(1, now: start + .seconds(9)) == .none)
        #expect(state.deadline == start + .seconds(13))
        #expect(state.timedOut(now: start + .seconds(13)) == .reject(.tooSlow))
    }

    @Test func aStoppingServerSaysCloseAndThenCloses() {
        var state = state()
        _ = request(&state)
        state.quiesce(now: start)
        #expect(state.answerBegan()?.closes == true)
        #expect(state.answerEnded(now: start) == .finish)
    }

    @Test func aStoppingServerGivesAnIdleConnectionAMoment() {
        var state = state()
        state.quiesce(now: start)
        #expect(state.deadline == start + HTTPLimits().quiesce)
        #expect(request(&state) == [.none, .deliver])
        #expect(state.answerBegan()?.closes == true)
    }

    @Test func ofTwoRequestsTheLastSaysClose() {
        var state = state()
        _ = request(&state)
        _ = request(&state)
        state.quiesce(now: start)
        #expect(state.answerBegan()?.closes == false)
        #expect(state.answerEnded(now: start) == .none)
        #expect(state.answerBegan()?.closes == true)
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
