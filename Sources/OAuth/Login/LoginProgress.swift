/// What a login has to prove before it counts.
package struct LoginPolicy: Sendable, Equatable {
    /// In the order in which they are asked for.
    package let factors: [Factor]
    /// Whether only what is proven for this very request counts (`prompt=login`).
    package let isFreshOnly: Bool
    /// For how long a proof counts, where the app limits that (`max_age`).
    package let maxAgeSeconds: Int64?

    package init(
        factors: [Factor] = [.password], isFreshOnly: Bool = false, maxAgeSeconds: Int64? = nil
    ) {
        self.factors = factors
        self.isFreshOnly = isFreshOnly
        self.maxAgeSeconds = maxAgeSeconds
    }
}

/// How far a person has come in proving who they are.
package struct LoginProgress: Sendable, Equatable {
    private let user: Identifier
    private let epoch: Int64
    private let proven: [Factor]
    /// When; nil where it was for the very request that asks, which counts whatever the age.
    private let provenAt: UnixTime?

    /// A person who has just proven one factor.
    package init(_ user: VerifiedUser) {
        self.user = user.id
        epoch = user.epoch
        proven = [user.factor]
        provenAt = nil
    }

    /// The login that a browser has.
    /// - Parameter isFresh: whether it was made for the very request that asks
    package init(_ login: SessionState, isFresh: Bool) {
        user = login.user
        epoch = login.userEpoch
        proven = [Factor](amr: login.amr)
        provenAt = isFresh ? nil : login.authenticatedAt
    }

    package enum Step: Sendable, Equatable {
        case ask(Factor)
        case done(CompletedLogin)
    }

    /// Decides what the person is asked for next.
    package func step(_ policy: LoginPolicy, at now: UnixTime) -> Step {
        let counting = counts(for: policy, at: now) ? proven : []
        if let missing = policy.factors.first(where: { !counting.contains($0) }) {
            return .ask(missing)
        }
        return .done(CompletedLogin(id: user, epoch: epoch, factors: counting))
    }

    /// Whether it is recent enough: of this very second is not for `max_age=0`, which asks for a login
    /// as `prompt=login` does.
    private func counts(for policy: LoginPolicy, at now: UnixTime) -> Bool {
        guard let provenAt else { return true }
        if policy.isFreshOnly { return false }
        return policy.maxAgeSeconds.map { now < provenAt.adding(seconds: $0) } ?? true
    }
}

/// A login that has proven all that it has to; made only by ``LoginProgress``, and nothing else begins
/// a session.
package struct CompletedLogin: Sendable, Equatable {
    package let id: Identifier
    package let epoch: Int64
    package let factors: [Factor]

    fileprivate init(id: Identifier, epoch: Int64, factors: [Factor]) {
        self.id = id
        self.epoch = epoch
        self.factors = factors
    }
}
