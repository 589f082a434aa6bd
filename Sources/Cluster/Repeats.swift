import Storage
import Synchronization

/// Has what is asked for again and again done once for all who ask: equal requests that arrive while one
/// is under way share the next one. None joins one that was begun before it arrived.
///
/// As with `Batcher`, whoever is first does the work, and hands the next one on to the first who waits.
final class Repeats<Key: Hashable & Sendable, Outcome: Sendable>: Sendable {
    private typealias Verdict = Result<Outcome, StoreError>
    private typealias Waiter = CheckedContinuation<Turn, Never>

    /// What one that waited is told: to do it for itself and these others, or how it ended.
    private enum Turn: Sendable {
        case lead([Waiter])
        case over(Verdict)
    }

    /// Those who wait for the next one, where one is under way.
    private let waiting = Mutex<[Key: [Waiter]]>([:])

    /// - Parameter work: does it, for as many requests as it is told.
    func perform(
        _ key: Key, _ work: (Int) async throws(StoreError) -> Outcome
    ) async throws(StoreError) -> Outcome {
        switch await turn(key) {
        case .over(let verdict):
            return try verdict.get()
        case .lead(let others):
            let verdict: Verdict
            do {
                verdict = .success(try await work(others.count + 1))
            } catch {
                verdict = .failure(error)
            }
            handOn(key)
            for other in others { other.resume(returning: .over(verdict)) }
            return try verdict.get()
        }
    }

    private func turn(_ key: Key) async -> Turn {
        await withCheckedContinuation { continuation in
            let isFree = waiting.withLock { waiting in
                guard waiting[key] == nil else {
                    waiting[key]?.append(continuation)
                    return false
                }
                waiting[key] = []
                return true
            }
            if isFree { continuation.resume(returning: .lead([])) }
        }
    }

    private func handOn(_ key: Key) {
        let next = waiting.withLock { waiting -> [Waiter] in
            let next = waiting[key] ?? []
            waiting[key] = next.isEmpty ? nil : []
            return next
        }
        next.first?.resume(returning: .lead(Array(next.dropFirst())))
    }
}
