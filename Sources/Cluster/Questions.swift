package import OAuth
package import Storage
import Synchronization

/// Questions about tokens that the database has to answer, as the event loops ask them: what is asked
/// while one read is under way is asked together in the next one, without a task for each.
///
/// It says what is alive, and nothing else: whoever gets no answer goes to the endpoint, which knows
/// how to wait, to fail and to say no.
package final class Questions: Sendable {
    package struct Question: Sendable {
        let clientID: String
        let token: Token
        let issuer: String
        let answered: @Sendable (Answer?) -> Void

        /// - Parameter answered: is called once, on any thread.
        package init(
            clientID: String, token: Token, issuer: String,
            answered: @escaping @Sendable (Answer?) -> Void
        ) {
            self.clientID = clientID
            self.token = token
            self.issuer = issuer
            self.answered = answered
        }
    }

    /// That a token is alive, and who asked.
    package struct Answer: Sendable {
        package let caller: ClientRead
        package let known: AnswerCache.Known
    }

    private struct State {
        var waiting: [Question] = []
        var isRunning = false
        /// The reader, when it has nothing to do.
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Takes a question; false where nobody reads them, or too many wait.
    package func ask(_ question: Question) -> Bool {
        let (isTaken, reader) = state.withLock { state in
            guard state.isRunning, state.waiting.count < Limits.waitingQuestions else {
                return (false, CheckedContinuation<Void, Never>?.none)
            }
            state.waiting.append(question)
            defer { state.reader = nil }
            return (true, state.reader)
        }
        reader?.resume()
        return isTaken
    }

    /// Reads until the task is cancelled; what waits then gets no answer.
    func run(_ read: @Sendable ([Question]) async -> [Answer?]) async {
        state.withLock { $0.isRunning = true }
        await withTaskCancellationHandler {
            while let batch = await next() {
                let answers = await read(batch)
                for (question, answer) in zip(batch, answers) { question.answered(answer) }
            }
        } onCancel: {
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

    /// What waits, as soon as anything does; nil at the end.
    private func next() async -> [Question]? {
        while true {
            let (batch, isRunning) = state.withLock { state in
                let count = min(state.waiting.count, Limits.questionsAtOnce)
                defer { state.waiting.removeFirst(count) }
                return (Array(state.waiting.prefix(count)), state.isRunning)
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
}

extension Node {
    /// Answers questions from the database; nil for each that it cannot call alive now.
    ///
    /// The lease is looked at first, then what they are about is read, as for `answer(about:)`.
    func read(_ questions: [Questions.Question]) async -> [Questions.Answer?] {
        let nothing: [Questions.Answer?] = questions.map { _ in nil }
        guard gate.held(at: .now) != nil else { return nothing }
        let deadline = ContinuousClock.now + Limits.questionsDeadline
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
