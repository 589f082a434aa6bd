@testable import Postgres
import Testing

@Suite("The pool's bookkeeping")
struct PoolStateTests {
    private let start = ContinuousClock.now

    private func running(size: Int) -> PoolState {
        var state = PoolState(size: size, maximumWaiters: 10)
        _ = state.start()
        return state
    }

    private func begun(_ state: inout PoolState, at now: ContinuousClock.Instant) -> [Int] {
        state.attemptsToBegin(at: now, givingUpAfter: .seconds(4))
    }

    @Test func itStartsOnce() {
        var state = PoolState(size: 1, maximumWaiters: 1)
        let beforeTheStart = begun(&state, at: start)
        #expect(beforeTheStart.isEmpty)
        let starts = (state.start(), state.start())
        #expect(starts == (true, false))
        _ = state.close()
        let afterTheEnd = begun(&state, at: start)
        #expect(afterTheEnd.isEmpty)
    }

    @Test func attemptsAreBackedOff() {
        var state = running(size: 3)
        var now = start
        let first = begun(&state, at: now)
        #expect(first.count == 3)
        let more = begun(&state, at: now)
        #expect(more.isEmpty)
        // Those that fail together count once, and are logged once.
        let isNew = first.map { state.failed(attempt: $0, "away", at: now) }
        #expect(isNew == [true, false, false])
        #expect(state.lastError == "away")
        for milliseconds in [50, 100, 200, 400, 800, 1000, 1000] {
            let early = now + .milliseconds(milliseconds - 1)
            let tooEarly = begun(&state, at: early)
            #expect(tooEarly.isEmpty)
            now += .milliseconds(milliseconds)
            let next = begun(&state, at: now)
            #expect(next.count == 1)
            _ = state.failed(attempt: next[0], "away", at: now)
        }
    }

    /// Names that cannot be looked up hang in threads that nothing can interrupt.
    @Test func hangingAttemptsStopNoOthersAndAreBounded() {
        var state = running(size: 2)
        var now = start
        var hanging: [Int] = []
        for _ in 0..<100 {
            hanging += begun(&state, at: now)
            now += .seconds(5)
        }
        #expect(hanging.count == 2 + PoolState.hangingAllowed)
        #expect(state.lastError != nil)
        // They come to an end, and new ones may begin.
        for attempt in hanging { _ = state.failed(attempt: attempt, "no such name", at: now) }
        #expect(state.abandoned == 0)
        now += .seconds(5)
        let next = begun(&state, at: now)
        #expect(next.count == 1)
    }

    @Test func waitersAreRefusedBeyondTheBoundAndAtTheEnd() async {
        var state = PoolState(size: 1, maximumWaiters: 0)
        let result = await withCheckedContinuation { (continuation: PoolState.Waiting) in
            if let answer = state.wait(.init(deadline: start, continuation: continuation)) {
                continuation.resume(returning: answer)
            }
        }
        #expect(throws: PostgresError.self) { try result.get() }
    }

    @Test(arguments: [
        ("40001", true), ("40P01", true), ("25006", true), ("53300", true), ("57014", true),
        ("57P03", true), ("55P03", true), ("08006", true), ("58030", true), ("0A000", true),
        ("26000", true), ("23505", false), ("42P01", false), ("22012", false), ("XX000", false),
    ])
    func refusalsAreSorted(state: String, isUnavailable: Bool) {
        let message = ServerMessage(severity: "ERROR", sqlState: state, message: "m")
        #expect(PostgresError(message).isUnavailable == isUnavailable)
        let fatal = ServerMessage(severity: "FATAL", sqlState: state, message: "m")
        #expect(PostgresError(fatal).isOutcomeUnknown)
    }
}
