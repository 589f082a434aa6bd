import DequeModule
import Metrics
import Synchronization

/// Gathers the requests that arrive while a batch is under way and sends them together as the next
/// one: one round trip and one commit for many.
///
/// There is no task of its own. The first caller leads: it runs the batch in its own task, then
/// hands the lead to the first of those who wait. Equal requests of a batch share one outcome. A
/// request never joins a batch that was sent before it arrived.
///
/// Callers of one batcher allow about the same time, since one waits for the batch before its own.
package final class Batcher<Request: Hashable & Sendable, Outcome: Sendable>: Sendable {
    package typealias Run =
        @Sendable ([Request], ContinuousClock.Instant) async throws(PostgresError) -> [Outcome]

    private typealias Verdict = Result<Outcome, PostgresError>

    /// What a caller that waited is told.
    private enum Turn: Sendable {
        case lead
        case over(Verdict)
    }

    private struct Member: Sendable {
        let request: Request
        let deadline: ContinuousClock.Instant
        let continuation: CheckedContinuation<Turn, Never>
    }

    private struct State {
        var leaders = 0
        var waiting: Deque<Member> = []
    }

    private let maximumBatch: Int
    private let maximumWaiting: Int
    private let concurrency: Int
    private let send: Run
    private let state = Mutex(State())
    private let sizes: Recorder

    /// - Parameter run: does a batch by a deadline; its outcomes are in the order of the requests.
    package init(
        label: String, maximumBatch: Int = 256, maximumWaiting: Int = 16384, concurrency: Int = 1,
        run: @escaping Run
    ) {
        self.maximumBatch = max(maximumBatch, 1)
        self.maximumWaiting = maximumWaiting
        self.concurrency = max(concurrency, 1)
        send = run
        sizes = Recorder(
            label: "doornail_postgres_batch_size", dimensions: [("batch", label)], aggregate: true)
    }

    /// Has a request done in the next batch.
    ///
    /// Cancellation is not heeded: a caller that goes away neither stops the batch that it leads
    /// nor leaves a gap in the line.
    package func perform(
        _ request: Request, deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> Outcome {
        let isFree = state.withLock { state in
            guard state.leaders < concurrency else { return false }
            state.leaders += 1
            return true
        }
        let turn = isFree ? Turn.lead : await wait(request, deadline: deadline)
        switch turn {
        case .over(let verdict): return try verdict.get()
        case .lead: return try await lead(request, deadline: deadline).get()
        }
    }

    private func wait(_ request: Request, deadline: ContinuousClock.Instant) async -> Turn {
        await withCheckedContinuation { continuation in
            let turn: Turn? = state.withLock { state in
                if state.leaders < concurrency {
                    state.leaders += 1
                    return .lead
                }
                guard state.waiting.count < maximumWaiting else {
                    return .over(
                        .failure(.unavailable("\(maximumWaiting) requests wait already")))
                }
                state.waiting.append(
                    Member(request: request, deadline: deadline, continuation: continuation))
                return nil
            }
            if let turn { continuation.resume(returning: turn) }
        }
    }

    /// Runs one batch with the caller's own request first, then passes the lead on.
    private func lead(_ request: Request, deadline: ContinuousClock.Instant) async -> Verdict {
        let members = state.withLock { state in
            let count = min(state.waiting.count, maximumBatch - 1)
            defer { state.waiting.removeFirst(count) }
            return Array(state.waiting.prefix(count))
        }
        let now = ContinuousClock.now
        // One whose time is up would take the others' time away.
        let inTime = members.filter { $0.deadline > now }
        for late in members where late.deadline <= now {
            late.continuation.resume(
                returning: .over(.failure(.unavailable("its turn came too late"))))
        }
        guard deadline > now || !inTime.isEmpty else {
            passOn()
            return .failure(.unavailable("its turn came too late"))
        }

        var positions: [Request: Int] = [:]
        var distinct: [Request] = []
        func position(of request: Request) -> Int {
            if let position = positions[request] { return position }
            positions[request] = distinct.count
            distinct.append(request)
            return distinct.count - 1
        }
        let isOwnInTime = deadline > now
        let own = isOwnInTime ? position(of: request) : nil
        let others = inTime.map { position(of: $0.request) }
        let earliest = inTime.map(\.deadline).min() ?? deadline
        let verdicts = await run(distinct, until: isOwnInTime ? min(deadline, earliest) : earliest)

        passOn()
        for (member, position) in zip(inTime, others) {
            member.continuation.resume(returning: .over(verdicts[position]))
        }
        return own.map { verdicts[$0] } ?? .failure(.unavailable("its turn came too late"))
    }

    private func passOn() {
        let next: Member? = state.withLock { state in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.leaders -= 1
            return nil
        }
        next?.continuation.resume(returning: .lead)
    }

    /// One verdict for each request. A batch that is refused as a whole is tried one by one, so
    /// that one bad request does not fail its neighbours.
    private func run(
        _ requests: [Request], until deadline: ContinuousClock.Instant
    ) async -> [Verdict] {
        sizes.record(requests.count)
        let verdict = await attempt(requests, until: deadline)
        switch verdict {
        case .success(let outcomes): return outcomes.map { .success($0) }
        case .failure(.unavailable), .failure(.outcomeUnknown):
            return requests.map { _ in verdict.map { $0[0] } }
        case .failure(let error):
            guard requests.count > 1 else { return [.failure(error)] }
        }
        var verdicts: [Verdict] = []
        verdicts.reserveCapacity(requests.count)
        for request in requests {
            verdicts.append(await attempt([request], until: deadline).map { $0[0] })
        }
        return verdicts
    }

    /// Sends requests; as many outcomes as requests, or an error.
    private func attempt(
        _ requests: [Request], until deadline: ContinuousClock.Instant
    ) async -> Result<[Outcome], PostgresError> {
        do {
            let outcomes = try await send(requests, deadline)
            guard outcomes.count == requests.count else {
                return .failure(
                    .undecodable("\(outcomes.count) outcomes for \(requests.count) requests"))
            }
            return .success(outcomes)
        } catch {
            return .failure(error)
        }
    }
}
