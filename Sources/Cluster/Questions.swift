import Metrics
package import OAuth
package import Storage
import Synchronization

/// Questions about tokens that the database has to answer, as the event loops ask them: what is asked
/// while one read is under way is asked together in the next one, without a task for each.
///
/// It says what is alive, and nothing else: whoever gets no answer goes to the endpoint, which knows
/// how to wait, to fail and to say no. So nobody waits here for long; the read itself may.
package final class Questions: Sendable {
    package struct Question: Sendable {
        let clientID: String
        let token: Token
        let issuer: String
        let askedAt: ContinuousClock.Instant
        let answered: @Sendable (Answer?) -> Void

        /// - Parameter answered: is called once, on any thread.
        package init(
            clientID: String, token: Token, issuer: String, askedAt: ContinuousClock.Instant,
            answered: @escaping @Sendable (Answer?) -> Void
        ) {
            self.clientID = clientID
            self.token = token
            self.issuer = issuer
            self.askedAt = askedAt
            self.answered = answered
        }
    }

    /// That a token is alive, and who asked.
    package struct Answer: Sendable {
        package let caller: ClientRead
        package let known: AnswerCache.Known
    }

    private struct State {
        var isRunning = false
        var waiting: [Question] = []
        /// What is being read; empty once nobody waits for it any more.
        var asked: [Question] = []
        var isOverdue = false
        /// The reader, when it has nothing to do.
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private let sizes = Recorder(
        label: "doornail_postgres_batch_size", dimensions: [("batch", "questions")],
        aggregate: true)

    /// Takes a question; false where nobody reads them, too many wait, or the database is slow.
    package func ask(_ question: Question) -> Bool {
        let (isTaken, reader) = state.withLock { state in
            guard state.isRunning, !state.isOverdue,
                state.waiting.count < Limits.waitingQuestions
            else { return (false, CheckedContinuation<Void, Never>?.none) }
            state.waiting.append(question)
            defer { state.reader = nil }
            return (true, state.reader)
        }
        reader?.resume()
        return isTaken
    }

    /// Reads until the task is cancelled; what waits then gets no answer.
    func run(_ read: @escaping @Sendable ([Question]) async -> [Answer?]) async {
        state.withLock { $0.isRunning = true }
        await withTaskGroup { group in
            group.addTask {
                await withTaskCancellationHandler {
                    await self.readAll(read)
                } onCancel: {
                    self.stop()
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

    private func readAll(_ read: @Sendable ([Question]) async -> [Answer?]) async {
        while let batch = await next() {
            sizes.record(batch.count)
            let answers = await read(batch)
            let isWanted = state.withLock { state in
                defer { state.asked = [] }
                state.isOverdue = false
                return !state.asked.isEmpty
            }
            guard isWanted else { continue }
            for (question, answer) in zip(batch, answers) { question.answered(answer) }
        }
    }

    /// What waits, as soon as anything does; nil at the end.
    private func next() async -> [Question]? {
        while true {
            let (batch, isRunning) = state.withLock { state in
                let count = min(state.waiting.count, Limits.questionsAtOnce)
                state.asked = Array(state.waiting.prefix(count))
                state.waiting.removeFirst(count)
                return (state.asked, state.isRunning)
            }
            if !batch.isEmpty { return batch }
            guard isRunning else { return nil }
            await withCheckedContinuation { continuation in
                let isDue = state.withLock { state in
                    guard state.waiting.isEmpty, state.isRunning else { return true }
                    state.reader = continuation
                    return false
                }
                if isDue { continuation.resume() }
            }
        }
    }

    /// Sends the long way whoever has waited since before a moment. A read of theirs goes on, since to
    /// break it off would cost its connection; until it has come back, no more questions are taken.
    private func giveUp(before moment: ContinuousClock.Instant) {
        let late = state.withLock { state in
            guard let oldest = state.asked.first ?? state.waiting.first, oldest.askedAt < moment
            else { return [Question]() }
            defer {
                state.isOverdue = !state.asked.isEmpty
                state.asked = []
                state.waiting = []
            }
            return state.asked + state.waiting
        }
        for question in late { question.answered(nil) }
    }

    private func stop() {
        let (reader, left) = state.withLock { state in
            state.isRunning = false
            defer {
                state.reader = nil
                state.waiting = []
            }
            return (state.reader, state.waiting)
        }
        reader?.resume()
        for question in left { question.answered(nil) }
    }
}

extension Node {
    /// Answers questions from the database; nil for each that it cannot call alive now.
    ///
    /// The lease is looked at first, then what they are about is read, as for `answer(about:)`.
    func read(_ questions: [Questions.Question]) async -> [Questions.Answer?] {
        let nothing: [Questions.Answer?] = questions.map { _ in nil }
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
                return Questions.Answer(
                    caller: caller,
                    known: Self.known(question.token, live, issuer: question.issuer))
            }
        } catch {
            return nothing
        }
    }
}
