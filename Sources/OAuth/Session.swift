/// A login on one browser or device, as the rules see it.
package struct SessionState: Sendable, Equatable {
    package let id: Identifier
    package let user: Identifier
    package let userEpoch: Int64
    /// When the person last proved who it is (`auth_time`).
    package let authenticatedAt: UnixTime
    package let lastSeenAt: UnixTime
    package let idleExpiresAt: UnixTime
    package let expiresAt: UnixTime
    package let isRevoked: Bool
    /// How the person proved who it is (RFC 8176).
    package let amr: [String]

    package init(
        id: Identifier, user: Identifier, userEpoch: Int64, authenticatedAt: UnixTime,
        lastSeenAt: UnixTime, idleExpiresAt: UnixTime, expiresAt: UnixTime, isRevoked: Bool,
        amr: [String] = ["pwd"]
    ) {
        self.id = id
        self.user = user
        self.userEpoch = userEpoch
        self.authenticatedAt = authenticatedAt
        self.lastSeenAt = lastSeenAt
        self.idleExpiresAt = idleExpiresAt
        self.expiresAt = expiresAt
        self.isRevoked = isRevoked
        self.amr = amr
    }

    /// Within which time uses are not told apart: they are written down once in a tenth of the idle time.
    package static func precisionSeconds(idleSeconds: Int64) -> Int64 { max(1, idleSeconds / 10) }

    /// Whether a use is to be written down.
    package func isUseDue(at now: UnixTime, idleSeconds: Int64) -> Bool {
        now >= lastSeenAt.adding(seconds: Self.precisionSeconds(idleSeconds: idleSeconds))
    }
}

/// What a browser's cookie says: the session, and a secret that proves it is the session's.
package struct SessionCookie: Sendable {
    package let session: Identifier
    package let secret: Redacted<[UInt8]>

    package init(session: Identifier, using random: inout some RandomNumberGenerator) {
        self.session = session
        secret = Redacted((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) })
    }

    /// Reads a cookie's value; nil for anything but what `text` gives.
    package init?(_ text: String) {
        guard let bytes = Base64.decodeURL(text.utf8) else { return nil }
        var reader = PayloadReader(bytes[...])
        guard bytes.count == 32, let session = reader.identifier() else { return nil }
        self.session = session
        secret = Redacted(Array(bytes.suffix(16)))
    }

    package var text: Redacted<String> {
        var writer = PayloadWriter()
        writer.append(session)
        return Redacted(Base64.encodeURL(writer.bytes + secret.value))
    }

    /// What the database keeps of the secret: 128 random bits need no more.
    package var secretHash: [UInt8] { digest(secret.value) }
}

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
