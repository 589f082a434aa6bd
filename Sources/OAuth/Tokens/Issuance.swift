/// What a grant lets an access token be: of whom, with which scope and audience, and until when at the
/// most. Every grant ends in one, so these are decided in one place.
package struct Issuance: Sendable, Equatable {
    package let subject: AccessToken.Subject
    /// The scope that the answer names (RFC 6749 §5.1).
    package let scope: Scope
    /// The scope that the token carries itself; nil: its grant's.
    private let ownScope: Scope?
    /// The audience that the token carries itself; nil: its grant's.
    private let ownAudience: [String]?
    /// Moments that the token does not outlive: the end of its grant, and of its login.
    private let bounds: [UnixTime]

    /// A client's own token, which carries everything itself.
    init(client: Client, scope: Scope, audience: [String]) {
        subject = .client(client.id, epoch: client.epoch)
        self.scope = scope
        ownScope = scope
        ownAudience = audience
        bounds = []
    }

    /// A token of a grant.
    /// - Parameters:
    ///   - narrowed, audience: what is less than the grant's; nil where it is all of it
    init(
        grant: Identifier, scope: Scope, narrowed: Scope? = nil, audience: [String]?,
        notAfter bounds: [UnixTime]
    ) {
        subject = .grant(grant)
        self.scope = narrowed ?? scope
        ownScope = narrowed
        ownAudience = audience
        self.bounds = bounds
    }

    /// The token, as it is issued now; nil where all that it hangs on would be over.
    package func token(
        id: Identifier, keyID: UInt8, at now: UnixTime, lifetimeSeconds: Int64
    ) -> AccessToken? {
        let expiresAt = bounds.reduce(now.adding(seconds: lifetimeSeconds)) { min($0, $1) }
        guard expiresAt > now else { return nil }
        return AccessToken(
            id: id, keyID: keyID, subject: subject, issuedAt: now, expiresAt: expiresAt,
            scope: ownScope, audience: ownAudience)
    }
}
