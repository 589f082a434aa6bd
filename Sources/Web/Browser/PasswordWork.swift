import NIOPosix
import OAuth
import Storage
import Synchronization

/// Examines and hashes passwords on threads of their own, few at a time: scrypt takes a core for some
/// tenths of a second on purpose, and must stop nobody else. ``PasswordQueue`` decides who may.
package final class PasswordWork: Sendable {
    /// How much of a request's time has to be left for what follows an examination.
    private static let headroom: Duration = .seconds(1)

    private struct State {
        var queue: PasswordQueue
        var turns: [PasswordQueue.Place: CheckedContinuation<Void, Never>] = [:]
    }

    private let pool: NIOThreadPool
    private let state: Mutex<State>

    package init(threads: Int) {
        pool = NIOThreadPool(numberOfThreads: threads)
        pool.start()
        state = Mutex(State(queue: PasswordQueue(threads: threads)))
    }

    /// Takes a place, to be left in any case. Whoever gets none was not examined, and is told so.
    func enter(_ claim: PasswordQueue.Claim) throws(PasswordQueue.Refusal) -> PasswordQueue.Place {
        try state.withLock { (state) throws(PasswordQueue.Refusal) in
            try state.queue.enter(claim)
        }
    }

    func leave(_ place: PasswordQueue.Place) {
        state.withLock { $0.queue.leave(place) }
    }

    /// Checks a password.
    /// - Parameter deadline: when the request's time is over.
    func verify(
        _ user: UserRead?, password: Redacted<String>, at place: PasswordQueue.Place,
        by deadline: ContinuousClock.Instant
    ) async throws -> VerifiedUser? {
        try await perform(at: place, by: deadline) {
            try VerifiedUser.verify(user, password: password)
        }
    }

    /// Hashes the new password of somebody who has proven the present one.
    func hash(
        _ password: Redacted<String>, for claim: PasswordQueue.Claim,
        by deadline: ContinuousClock.Instant
    ) async throws -> PasswordHash {
        let place = try enter(claim)
        defer { leave(place) }
        return try await perform(at: place, by: deadline) {
            var random = SystemRandomNumberGenerator()
            return try PasswordHash(password, using: &random)
        }
    }

    private func perform<Value: Sendable>(
        at place: PasswordQueue.Place, by deadline: ContinuousClock.Instant,
        _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        await withCheckedContinuation { turn in
            change { state in
                state.turns[place] = turn
                state.queue.wait(place)
            }
        }
        defer { change { $0.queue.finish() } }
        // Its turn came too late, or the request was given up.
        guard .now + Self.headroom < deadline, !Task.isCancelled else {
            throw PasswordQueue.Refusal.full
        }
        do {
            return try await pool.runIfActive(work)
        } catch {
            throw StoreError.unavailable("the password could not be examined: \(error)")
        }
    }

    /// Changes who waits and runs, and begins whose turn it is now.
    private func change(_ body: (inout State) -> Void) {
        let turn = state.withLock { state in
            body(&state)
            return state.queue.start().flatMap { state.turns.removeValue(forKey: $0) }
        }
        turn?.resume()
    }
}
