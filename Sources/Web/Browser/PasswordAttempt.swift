import Cluster
import Hummingbird
import Metrics
import OAuth
import Serving
import Storage

/// A password that somebody typed for an account: on the login page, or to set another one.
struct PasswordAttempt: Sendable {
    /// As it was typed.
    let username: String
    let password: Redacted<String>

    /// The person whose password was right; nil where it was wrong.
    ///
    /// An attempt is counted as a failure before the password is examined, and that is taken back unless
    /// the password was wrong. Counted afterwards, many attempts at the same time would all find the
    /// counter low enough. It takes its place in the queue before it is counted, so few are counted at
    /// a time. If the process dies meanwhile, the attempt stays counted until the window ends.
    func verified(
        _ browser: Browser, _ context: DoornailContext, _ services: Services
    ) async throws -> VerifiedUser? {
        var user: UserRead?
        var name = username
        if let known = Username(username) {
            (user, name) = try await services.store.user(known, by: context.deadline)
        }
        let device = try browser.knownDevice()
        let network = context.clientAddress.throttleNetwork
        let asker: PasswordQueue.Asker
        let throttles: [Throttle]
        if let device, let user, device.isKnown(to: user.id, epoch: user.epoch) {
            // It has a counter of its own, so strangers who fill the others do not stop it.
            (asker, throttles) = (.known(device.id), [.device(device.id)])
        } else {
            asker = .stranger(network: network)
            throttles = [
                .loginAddress(network: network),
                .accountName(hash: try services.node.keyedHash(name, for: .throttle)),
            ]
        }
        let place: PasswordQueue.Place
        do {
            place = try services.passwords.enter(PasswordQueue.Claim(account: name, asker: asker))
        } catch {
            Self.count("crowded")
            throw error
        }
        defer { services.passwords.leave(place) }
        if let refusal = try await services.store.countFailure(throttles, by: context.deadline) {
            Self.count("throttled")
            throw refusal
        }
        let verified: VerifiedUser?
        do {
            verified = try await services.passwords.verify(
                user, password: password, at: place, by: context.deadline)
        } catch {
            // It was not examined, so it was not wrong.
            await takeBack(throttles, context, services)
            throw error
        }
        if verified != nil {
            await takeBack(throttles, context, services)
        } else {
            Self.count("refused")
        }
        return verified
    }

    /// Takes back what was counted, with some time for it also where the request has none left.
    /// Without a database it stays counted until its window ends, and changes no answer.
    private func takeBack(
        _ throttles: [Throttle], _ context: DoornailContext, _ services: Services
    ) async {
        do {
            try await services.store.takeBack(
                throttles, by: max(context.deadline, .now + Limits.takingBack))
        } catch {
            context.log.error = "an attempt stays counted: \(error)"
        }
    }

    private static func count(_ outcome: String) {
        Counter(label: "doornail_logins_total", dimensions: [("outcome", outcome)]).increment()
    }
}
