/// An access token's content, once its tag was verified (docs/decisions/0002-tokens.md).
package struct AccessToken: Hashable, Sendable {
    /// Whom a token was issued to: what has to be alive for the token to be.
    package enum Subject: Hashable, Sendable {
        /// A client by itself (RFC 6749 §4.4), with the client's epoch at the time.
        case client(Identifier, epoch: Int64)
    }

    package let id: Identifier
    package let keyID: UInt8
    package let subject: Subject
    package let issuedAt: UnixTime
    package let expiresAt: UnixTime
    package let scope: Scope
    package let audience: [String]

    package init(
        id: Identifier, keyID: UInt8, subject: Subject, issuedAt: UnixTime, expiresAt: UnixTime,
        scope: Scope, audience: [String]
    ) {
        self.id = id
        self.keyID = keyID
        self.subject = subject
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.scope = scope
        self.audience = audience
    }

    /// The client that the token was issued to.
    package var client: Identifier {
        switch subject {
        case .client(let id, _): id
        }
    }
}

/// What a presented text turned out to be, without a look at the database.
package enum PresentedToken: Sendable, Equatable {
    case access(AccessToken)
    /// Not a token of ours, or not an unharmed one.
    case forged
    /// It claims a key id that this node has not heard of: forged, if the node's view is recent.
    case unknownKey
    /// Signed under a secret that exists and that this node lacks: neither yes nor no.
    case secretMissing(keyID: UInt8)
}
