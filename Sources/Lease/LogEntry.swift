package import OAuth

/// A row of the revocation log, as nodes follow it.
package struct LogEntry: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        case token, grant, session, user, client, secret, everything
    }

    package let number: Int64
    package let kind: Kind
    /// The id of what it is about; nil: all there is may be meant. No two things share an id.
    package let subject: Identifier?

    package init(number: Int64, kind: Kind, subject: Identifier?) {
        self.number = number
        self.kind = kind
        self.subject = subject
    }
}
