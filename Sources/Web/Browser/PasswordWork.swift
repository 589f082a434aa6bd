import NIOPosix
import OAuth
import Storage
import Synchronization

/// Examines passwords on threads of their own, few at a time: scrypt takes a core for some tenths
/// of a second on purpose, and must stop nobody else.
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
                return try VerifiedUser.verify(user, password: password)
            }
        } catch is Late {
            throw .unavailable("its turn to examine the password came too late")
        } catch {
            throw .unavailable("the password could not be examined: \(error)")
        }
    }
}
