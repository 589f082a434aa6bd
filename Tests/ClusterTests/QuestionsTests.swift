import OAuth
import Synchronization
import Testing

@testable import Cluster

/// What the event loops ask is done in batches, and whoever gets no answer is told so in time.
@Suite struct QuestionsTests {
    /// Batches that were begun, each of which waits until it is let go.
    private final class Bench: Sendable {
        private let state = Mutex<(batches: [[Int]], gates: [CheckedContinuation<Void, Never>])>(
            ([], []))

        var batches: [[Int]] { state.withLock { $0.batches } }

        /// - Parameter leavesEarly: whether it needs the database no more at once.
        func answer(
            _ numbers: [Int], leavesEarly: Bool, isAsked: () -> Void
        ) async -> [String?] {
            if leavesEarly { isAsked() }
            await withCheckedContinuation { gate in
                state.withLock { state in
                    state.batches.append(numbers)
                    state.gates.append(gate)
                }
            }
            return numbers.map { $0 < 0 ? nil : "\($0)" }
        }

        func letGo() {
            let gates = state.withLock { state in
                defer { state.gates = [] }
                return state.gates
            }
            for gate in gates { gate.resume() }
        }

        func begun(_ count: Int) async {
            while batches.count < count { try? await Task.sleep(for: .milliseconds(2)) }
        }
    }

    /// What was answered, by number; each may be answered once.
    private final class Answers: Sendable {
        private let state = Mutex<[Int: String]>([:])

        var all: [Int: String] { state.withLock { $0 } }

        func note(_ number: Int, _ answer: String?) {
            state.withLock { state in
                #expect(state[number] == nil)
                state[number] = answer ?? "none"
            }
        }

        func complete(_ count: Int) async {
            while all.count < count { try? await Task.sleep(for: .milliseconds(2)) }
        }
    }

    private let questions = Questions<Int, String>(label: "test")
    private let bench = Bench()
    private let answers = Answers()

    private func ask(_ number: Int, askedAt: ContinuousClock.Instant = .now) -> Bool {
        questions.ask(number, askedAt: askedAt) { answers.note(number, $0) }
    }

    private func running(
        batches: Int, leavesEarly: Bool = false, _ body: () async -> Void
    ) async {
        await withTaskGroup { group in
            group.addTask {
                await questions.run(batches: batches) {
                    await bench.answer($0, leavesEarly: leavesEarly, isAsked: $1)
                }
            }
            while !ask(0) { await Task.yield() }
            await bench.begun(1)
            await body()
            group.cancelAll()
            bench.letGo()
        }
    }

    @Test func nobodyAnswers() {
        #expect(!ask(1))
        #expect(answers.all.isEmpty)
    }

    @Test func whatComesMeanwhileIsDoneTogether() async {
        await running(batches: 1) {
            for number in [1, 2, -3] { #expect(ask(number)) }
            #expect(bench.batches == [[0]])
            bench.letGo()
            await bench.begun(2)
            #expect(bench.batches[1] == [1, 2, -3])
            bench.letGo()
            await answers.complete(4)
            #expect(answers.all == [0: "0", 1: "1", 2: "2", -3: "none"])
        }
    }

    @Test func onlySoManyWait() async {
        await running(batches: 1) {
            let taken = (1...(2 * Limits.waitingQuestions)).count { ask($0) }
            #expect(taken > 0 && taken <= Limits.waitingQuestions)
        }
    }

    /// While the answers to one are written, the next one is with the database, and no third.
    @Test func twoBatchesAtOnce() async {
        await running(batches: 2, leavesEarly: true) {
            #expect(ask(1))
            await bench.begun(2)
            #expect(bench.batches == [[0], [1]])
            #expect(ask(2))
            bench.letGo()
            await bench.begun(3)
            bench.letGo()
            await answers.complete(3)
            #expect(answers.all == [0: "0", 1: "1", 2: "2"])
        }
    }

    /// One batch at a time is with the database, however many may be under way.
    @Test func oneIsWithTheDatabase() async {
        await running(batches: 2) {
            #expect(ask(1))
            try? await Task.sleep(for: .milliseconds(20))
            #expect(ask(2))
            #expect(bench.batches == [[0]])
            bench.letGo()
            await bench.begun(2)
            #expect(bench.batches[1] == [1, 2])
            bench.letGo()
            await answers.complete(3)
            #expect(answers.all == [0: "0", 1: "1", 2: "2"])
        }
    }

    /// Whoever waits too long gets no answer, and nobody is taken until what was begun has come back.
    @Test(arguments: [1, 2]) func tooLate(batches: Int) async {
        await running(batches: batches) {
            #expect(ask(1))
            await answers.complete(2)
            #expect(answers.all == [0: "none", 1: "none"])
            #expect(!ask(2))
            bench.letGo()
            while !ask(3) { await Task.yield() }
            await bench.begun(bench.batches.count + (bench.batches.last == [3] ? 0 : 1))
            bench.letGo()
            await answers.complete(3)
            #expect(answers.all == [0: "none", 1: "none", 3: "3"])
        }
    }

    /// A batch that is late takes no other with it, nor what waits.
    @Test func oneIsLate() async {
        await running(batches: 2, leavesEarly: true) {
            let later = ContinuousClock.now + .seconds(60)
            #expect(ask(1, askedAt: later))
            await bench.begun(2)
            #expect(ask(2, askedAt: later))
            await answers.complete(1)
            #expect(answers.all == [0: "none"])
            #expect(!ask(3))
            bench.letGo()
            await bench.begun(3)
            bench.letGo()
            await answers.complete(3)
            #expect(answers.all == [0: "none", 1: "1", 2: "2"])
        }
    }

    @Test func theEnd() async {
        await running(batches: 1) { #expect(ask(1)) }
        // What was begun is answered, what waited is not, and nobody is taken any more.
        #expect(answers.all == [0: "0", 1: "none"])
        #expect(!ask(2))
    }
}
