/// A login on one browser or device, as the rules see it.
package struct SessionState: Sendable, Equatable {
    package let id: Identifier
    package let user: Identifier
    package let userEpoch: Int64
    /// When the person last proved who they are (`auth_time`).
    package let authenticatedAt: UnixTime
    package let lastSeenAt: UnixTime
    package let idleExpiresAt: UnixTime
    package let expiresAt: UnixTime
    package let isRevoked: Bool
    /// How the person proved who they are (RFC 8176).
    package let amr: [String]

    package init(
        id: Identifier, user: Identifier, userEpoch: Int64, authenticatedAt: UnixTime,
        lastSeenAt: UnixTime, idleExpiresAt: UnixTime, expiresAt: UnixTime, isRevoked: Bool,
        amr: [String]
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

    /// How exactly `lastSeenAt` is known: a use is written down once in a tenth of the idle time.
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
