/// An access token's content, once its tag was verified (docs/decisions/0002-tokens.md).
package struct AccessToken: Hashable, Sendable {
    /// Whom a token was issued to: what has to be alive for the token to be.
    package enum Subject: Hashable, Sendable {
        /// A client by itself (RFC 6749 §4.4), with the client's epoch at the time.
        case client(Identifier, epoch: Int64)
        /// A grant: what a client may do for somebody's login.
        case grant(Identifier)
    }

    package let id: Identifier
    package let keyID: UInt8
    package let subject: Subject
    package let issuedAt: UnixTime
    package let expiresAt: UnixTime
    /// Nil: the grant's; for a client's own token, none.
    package let scope: Scope?
    /// Nil: the grant's; for a client's own token, none.
    package let audience: [String]?

    package init(
        id: Identifier, keyID: UInt8, subject: Subject, issuedAt: UnixTime, expiresAt: UnixTime,
        scope: Scope?, audience: [String]?
    ) {
        self.id = id
        self.keyID = keyID
        self.subject = subject
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        if case .client = subject {
            // None has one spelling, so that equal tokens are equal.
            self.scope = scope?.isEmpty == true ? nil : scope
            self.audience = audience?.isEmpty == true ? nil : audience
        } else {
            self.scope = scope
            self.audience = audience
        }
    }
}
