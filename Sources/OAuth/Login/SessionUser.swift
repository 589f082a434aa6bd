/// A person at a browser whose login is alive; made only by `verify`.
package struct SessionUser: Sendable, Equatable {
    package let session: SessionState
    package let user: Liveness.UserState
    /// Names this login among all of the session: each has another secret.
    package let secretHash: [UInt8]
    /// Whether the browser has the cookie of this login, and not yet the one of the login before.
    package let isNewest: Bool

    private init(
        session: SessionState, user: Liveness.UserState, secretHash: [UInt8], isNewest: Bool
    ) {
        self.session = session
        self.user = user
        self.secretHash = secretHash
        self.isNewest = isNewest
    }

    /// The hashes of the secrets that a session's cookie may have.
    package struct Secrets: Sendable, Equatable {
        package let present: [UInt8]
        /// That of the cookie which the last login replaced, until the new one was first used: the
        /// answer that brought it may have been lost, and the old one must still log out.
        package let previous: [UInt8]?

        package init(present: [UInt8], previous: [UInt8]?) {
            self.present = present
            self.previous = previous
        }
    }

    /// A cookie as it turned out.
    package enum Verdict: Sendable, Equatable {
        case alive(SessionUser)
        /// It is a session's own cookie, and the login has ended.
        case ended
        /// No session's, or not its present one.
        case unknown
    }

    /// Checks a cookie against its session's row.
    package static func verify(
        _ cookie: SessionCookie, session: SessionState?, secrets: Secrets?,
        user: Liveness.UserState?, at now: UnixTime
    ) -> Verdict {
        guard let session, let secrets else { return .unknown }
        let isNewest = constantTimeEqual(cookie.secretHash, secrets.present)
        let isPrevious = secrets.previous.map { constantTimeEqual(cookie.secretHash, $0) } ?? false
        guard isNewest || isPrevious else { return .unknown }
        guard Liveness.deathOfSession(session, user: user, at: now) == nil, let user else {
            return .ended
        }
        return .alive(
            SessionUser(
                session: session, user: user, secretHash: secrets.present, isNewest: isNewest))
    }
}
