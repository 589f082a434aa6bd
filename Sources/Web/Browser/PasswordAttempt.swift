import Cluster
import Hummingbird
import Metrics
import OAuth
import Storage

/// A password that somebody typed for an account: on the login page, or to set another one.
struct PasswordAttempt: Sendable {
    /// As it was typed.
    let username: String
    let password: Redacted<String>

    /// The person whose password was right; nil where it was wrong.
    ///
    /// An attempt is counted before the password is examined, so that many at once do not slip
    /// through, and taken back if it was right.
    func verified(
        _ browser: Browser, _ context: DoornailContext, _ services: Services
    ) async throws -> VerifiedUser? {
        var user: UserRead?
        var name = username
        if let known = Username(username) {
            (user, name) = try await services.store.user(known, by: context.deadline)
        }
        let device = try browser.device()
        let isKnown = user != nil && device?.user == user?.id && device?.epoch == user?.epoch
        let throttles = try throttles(for: name, isKnown ? device : nil, context, services)
        for throttle in throttles {
            if let refusal = try await services.store.countFailure(throttle, by: context.deadline) {
                Self.count("throttled")
                throw refusal
            }
        }
        let verified: VerifiedUser?
        do {
            verified = try await services.passwords.verify(
                user, password: password, isKnown: isKnown, by: context.deadline)
        } catch {
            // It was not examined, so it was not wrong.
            try await services.store.takeBack(throttles, by: context.deadline)
            throw error
        }
        if verified != nil {
            try await services.store.takeBack(throttles, by: context.deadline)
        } else {
            Self.count("refused")
        }
        return verified
    }

    /// What an attempt counts against. A browser that the account knows has a counter of its own,
    /// and strangers fill the others in vain.
    private func throttles(
        for name: String, _ known: Browser.Device?, _ context: DoornailContext,
        _ services: Services
    ) throws(StoreError) -> [Throttle] {
        if let known { return [.device(known.id)] }
        return [
            .loginAddress(network: context.clientAddress.throttleNetwork),
            .accountName(hash: try services.node.keyedHash(name, for: .throttle)),
        ]
    }

    private static func count(_ outcome: String) {
        Counter(label: "doornail_logins_total", dimensions: [("outcome", outcome)]).increment()
    }
}
