import OAuth
import Synchronization

/// Has what is asked for again and again done once for all who ask: equal requests that arrive while one
/// is under way share the next one. None joins one that was begun before it arrived.
///
/// As with `Batcher`, whoever is first does the work, and hands the next one on to the first who waits.
final class Repeats<Key: Hashable & Sendable, Outcome: Sendable>: Sendable {
    typealias Deadline = ContinuousClock.Instant
    private typealias Verdict = Result<Outcome, StoreError>

    /// What a caller that waited gets: to do it, for itself and these others, or how it ended.
    private enum Turn: Sendable {
        case lead([Waiter])
        case over(Verdict)
    }

    /// A caller that waits until its deadline. It gets one turn.
    private final class Waiter: Sendable {
        let deadline: Deadline
        private let continuation: Mutex<CheckedContinuation<Turn, Never>?>

        init(_ continuation: CheckedContinuation<Turn, Never>, until deadline: Deadline) {
            self.continuation = Mutex(continuation)
            self.deadline = deadline
        }

        /// False where it got its turn before.
        @discardableResult
        func tell(_ turn: Turn) -> Bool {
            let told = continuation.withLock { continuation in
                defer { continuation = nil }
                return continuation
            }
            told?.resume(returning: turn)
            return told != nil
        }
    }

    /// Those who wait for the next one, where one is under way.
    private let waiting = Mutex<[Key: [Waiter]]>([:])

    /// Whether nothing is under way.
    var isIdle: Bool { waiting.withLock(\.isEmpty) }

    /// - Parameters:
    ///   - deadline: when the caller gives up.
    ///   - work: does it, for as many requests as it is told, until the last of them gives up.
    func perform(
        _ key: Key, by deadline: Deadline,
        _ work: (Int, Deadline) async throws(StoreError) -> Outcome
    ) async throws(StoreError) -> Outcome {
        switch await turn(key, by: deadline) {
        case .over(let verdict):
            return try verdict.get()
        case .lead(let others):
            let last = others.map(\.deadline).max() ?? deadline
            let verdict: Verdict
            do {
                verdict = .success(try await work(others.count + 1, max(last, deadline)))
            } catch {
                verdict = .failure(error)
            }
            handOn(key)
            for other in others { other.tell(.over(verdict)) }
            return try verdict.get()
        }
    }

    private func turn(_ key: Key, by deadline: Deadline) async -> Turn {
        let isFree = waiting.withLock { waiting in
            guard waiting[key] == nil else { return false }
            waiting[key] = []
            return true
        }
        if isFree { return .lead([]) }
        return await withTaskGroup(of: Void.self) { group in
            let turn = await withCheckedContinuation { continuation in
                let new = Waiter(continuation, until: deadline)
                let isFree = waiting.withLock { waiting in
                    guard waiting[key] == nil else {
                        waiting[key]?.append(new)
                        return false
                    }
                    waiting[key] = []
                    return true
                }
                if isFree { new.tell(.lead([])) }
                group.addTask {
                    try? await Task.sleep(until: deadline)
                    guard !Task.isCancelled else { return }
                    new.tell(
                        .over(
                            .failure(
                                .unavailable("an end before this one took too long; ask again"))))
                }
            }
            group.cancelAll()
            return turn
        }
    }

    private func handOn(_ key: Key) {
        while true {
            let next = waiting.withLock { waiting -> [Waiter] in
                let next = waiting[key] ?? []
                waiting[key] = next.isEmpty ? nil : []
                return next
            }
            guard !next.isEmpty else { return }
            for (index, first) in next.enumerated()
            where first.tell(.lead(Array(next.dropFirst(index + 1)))) {
                return
            }
            // Whoever waited had no time left; somebody may have come since.
        }
    }
}
