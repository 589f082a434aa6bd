import NIOPosix
import OAuth
import Storage
import Synchronization

/// Examines and hashes passwords on threads of their own, few at a time: scrypt takes a core for some
/// tenths of a second on purpose, and must stop nobody else.
package final class PasswordWork: Sendable {
    /// What is kept of a request's time for what follows an examination.
    private static let headroom: Duration = .seconds(1)

    private struct Late: Error {}

    private let pool: NIOThreadPool
    private let pending = Mutex(0)

    package init(threads: Int) {
        pool = NIOThreadPool(numberOfThreads: threads)
        pool.start()
    }

    /// Checks a password; unavailable where too many wait already, since those who wait longest
    /// would have gone.
    /// - Parameters:
    ///   - isKnown: the account knows the browser; strangers cannot take all the places.
    ///   - deadline: when nobody waits for the verdict any more.
    func verify(
        _ user: UserRead?, password: Redacted<String>, isKnown: Bool,
        by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> VerifiedUser? {
        try await perform(isKnown: isKnown, by: deadline) {
            try VerifiedUser.verify(user, password: password)
        }
    }

    /// Hashes the new password of somebody who has proven the present one.
    func hash(
        _ password: Redacted<String>, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> PasswordHash {
        try await perform(isKnown: true, by: deadline) {
            var random = SystemRandomNumberGenerator()
            return try PasswordHash(password, using: &random)
        }
    }

    private func perform<Value: Sendable>(
        isKnown: Bool, by deadline: ContinuousClock.Instant,
        _ work: @escaping @Sendable () throws -> Value
    ) async throws(StoreError) -> Value {
        let isAdmitted = pending.withLock { pending in
            guard pending < Limits.waitingPasswords - (isKnown ? 0 : 8) else { return false }
            pending += 1
            return true
        }
        guard isAdmitted else { throw .unavailable("too many logins wait for their turn") }
        defer { pending.withLock { $0 -= 1 } }
        do {
            return try await pool.runIfActive {
                guard .now + Self.headroom < deadline else { throw Late() }
                return try work()
            }
        } catch is Late {
            throw .unavailable("its turn to examine the password came too late")
        } catch {
            throw .unavailable("the password could not be examined: \(error)")
        }
    }
}
