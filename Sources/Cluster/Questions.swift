import Metrics
package import OAuth
package import Storage
import Synchronization

/// What the event loops have the database asked or told: what comes while a batch is with the database
/// is done together in the next one, without a task for each. While the answers to one are written, the
/// next one may be with the database: two at once would be smaller, and each has its price.
///
/// It says what went well, and nothing else: whoever gets no answer goes to the endpoint, which knows
/// how to wait, to fail and to say no. So nobody waits here for long; the batch itself may.
package final class Questions<Subject: Sendable, Answer: Sendable>: Sendable {
    private struct Question: Sendable {
        let subject: Subject
        let askedAt: ContinuousClock.Instant
        let answered: @Sendable (Answer?) -> Void
    }

    private struct State {
        var isRunning = false
        var waiting: [Question] = []
        /// What is under way, by the answerer that does it; empty once nobody waits for it any more.
        var asked: [[Question]] = []
        /// Answerers whose batch nobody waits for any more.
        var overdue: Set<Int> = []
        /// The answerer whose batch is with the database.
        var asking: Int?
        /// Answerers that have nothing to do.
        var idle: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let sizes: Recorder

    package init(label: String) {
        sizes = Recorder(
            label: "doornail_postgres_batch_size", dimensions: [("batch", label)], aggregate: true)
    }

    /// Takes a question.
    /// - Parameter answered: is called once, on any thread; with nil where the endpoint has to see to it.
    /// - Returns: false where nobody answers them, too many wait, or the database is slow; then
    ///   `answered` is not called.
    package func ask(
        _ subject: Subject, askedAt: ContinuousClock.Instant,
        answered: @escaping @Sendable (Answer?) -> Void
    ) -> Bool {
        let question = Question(subject: subject, askedAt: askedAt, answered: answered)
        let (isTaken, answerer) = state.withLock { state in
            guard state.isRunning, state.overdue.isEmpty,
                state.waiting.count < Limits.waitingQuestions
            else { return (false, CheckedContinuation<Void, Never>?.none) }
            state.waiting.append(question)
            return (true, state.asking == nil ? state.idle.popLast() : nil)
        }
        answerer?.resume()
        return isTaken
    }

    /// Answers a batch, in order; says by the closure that it needs the database no more, if that is
    /// before the end.
    package typealias Answerer =
        @Sendable (_ subjects: [Subject], _ isAsked: () -> Void) async -> [Answer?]

    /// Answers until the task is cancelled; what waits then gets no answer.
    /// - Parameter batches: how many may be under way at once, one of them with the database.
    package func run(batches: Int = 1, _ answer: @escaping Answerer) async {
        state.withLock { state in
            state.isRunning = true
            state.asked = Array(repeating: [], count: batches)
        }
        await withTaskGroup { group in
            for number in 0..<batches {
                group.addTask {
                    await withTaskCancellationHandler {
                        await self.answerAll(number, answer)
                    } onCancel: {
                        self.stop()
                    }
                }
            }
            group.addTask {
                while !Task.isCancelled {
                    self.giveUp(before: .now - Limits.questionsDeadline)
                    try? await Task.sleep(for: .milliseconds(50), tolerance: .milliseconds(5))
                }
            }
        }
    }

    private func answerAll(_ number: Int, _ answer: Answerer) async {
        while let batch = await next(for: number) {
            sizes.record(batch.count)
            let answers = await answer(batch.map(\.subject)) { self.leave(number) }
            leave(number)
            let isWanted = state.withLock { state in
                defer { state.asked[number] = [] }
                state.overdue.remove(number)
                return !state.asked[number].isEmpty
            }
            guard isWanted else { continue }
            for (question, answer) in zip(batch, answers) { question.answered(answer) }
        }
    }

    /// Leaves the database to the next batch.
    private func leave(_ number: Int) {
        let answerer = state.withLock { state in
            guard state.asking == number else { return CheckedContinuation<Void, Never>?.none }
            state.asking = nil
            return state.waiting.isEmpty ? nil : state.idle.popLast()
        }
        answerer?.resume()
    }

    /// What waits, as soon as anything does and the database is free; nil at the end.
    private func next(for number: Int) async -> [Question]? {
        while true {
            let (batch, isRunning) = state.withLock { state in
                let count = min(state.waiting.count, Limits.questionsAtOnce)
                guard count > 0, state.asking == nil else {
                    return ([Question](), state.isRunning)
                }
                state.asked[number] = Array(state.waiting.prefix(count))
                state.waiting.removeFirst(count)
                state.asking = number
                return (state.asked[number], state.isRunning)
            }
            if !batch.isEmpty { return batch }
            guard isRunning else { return nil }
            await withCheckedContinuation { continuation in
                let isDue = state.withLock { state in
                    let isFree = state.asking == nil && !state.waiting.isEmpty
                    guard !isFree, state.isRunning else { return true }
                    state.idle.append(continuation)
                    return false
                }
                if isDue { continuation.resume() }
            }
        }
    }

    /// Sends the long way the batches in which somebody has waited since before a moment. They go on,
    /// since to break them off would cost connections; until they have come back, no more questions are
    /// taken. What waits for a batch goes the same way once it is late, or nobody is left to take it.
    private func giveUp(before moment: ContinuousClock.Instant) {
        let late = state.withLock { state in
            var late: [Question] = []
            for number in state.asked.indices
            where state.asked[number].contains(where: { $0.askedAt < moment }) {
                late += state.asked[number]
                state.asked[number] = []
                state.overdue.insert(number)
            }
            let isHopeless = state.asking.map { state.overdue.contains($0) } ?? false
            let left = state.waiting.filter { isHopeless || $0.askedAt < moment }
            if !left.isEmpty {
                state.waiting.removeAll { isHopeless || $0.askedAt < moment }
            }
            return late + left
        }
        for question in late { question.answered(nil) }
    }

    private func stop() {
        let (idle, left) = state.withLock { state in
            state.isRunning = false
            defer {
                state.idle = []
                state.waiting = []
            }
            return (state.idle, state.waiting)
        }
        for answerer in idle { answerer.resume() }
        for question in left { question.answered(nil) }
    }
}

/// A question about a token, of a client that says who it is.
package struct TokenQuestion: Sendable {
    let clientID: String
    let token: Token
    let issuer: String

    package init(clientID: String, token: Token, issuer: String) {
        self.clientID = clientID
        self.token = token
        self.issuer = issuer
    }
}

/// That a token is alive, and who asked.
package struct TokenAnswer: Sendable {
    package let caller: ClientRead
    package let known: AnswerCache.Known
}

extension Node {
    /// Answers questions from the database; nil for each that it cannot call alive now.
    ///
    /// The lease is looked at first, then what they are about is read, as for `answer(about:)`.
    func read(_ questions: [TokenQuestion]) async -> [TokenAnswer?] {
        let nothing: [TokenAnswer?] = questions.map { _ in nil }
        guard gate.held(at: .now) != nil else { return nothing }
        let deadline = Store.deadline
        let ids = Array(Set(questions.map(\.clientID)))
        async let reading = store.clients(ids, by: deadline)
        async let asking = store.liveness(of: questions.map(\.token), by: deadline)
        do {
            let clients = Dictionary(uniqueKeysWithValues: zip(ids, try await reading))
            return zip(questions, try await asking).map { question, state in
                guard let caller = clients[question.clientID],
                    case .alive(let live) = Liveness.of(question.token, in: state)
                else { return nil }
                return TokenAnswer(
                    caller: caller,
                    known: Self.known(question.token, live, issuer: question.issuer))
            }
        } catch {
            return nothing
        }
    }
}
