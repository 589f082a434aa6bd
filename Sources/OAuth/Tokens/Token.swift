/// A refresh token's content (docs/decisions/0009-refresh-tokens.md): a number under a grant, so
/// that a retry is answered with the same successor.
package struct RefreshToken: Hashable, Sendable {
    package let grant: Identifier
    package let generation: Int64
    package let keyID: UInt8

    package init(grant: Identifier, generation: Int64, keyID: UInt8) {
        self.grant = grant
        self.generation = generation
        self.keyID = keyID
    }
}

/// An authorization code's content: the row that it stands for.
package struct AuthorizationCode: Hashable, Sendable {
    package let id: Identifier
    package let keyID: UInt8

    package init(id: Identifier, keyID: UInt8) {
        self.id = id
        self.keyID = keyID
    }
}

/// A token that can be introspected and revoked, once its tag was verified.
package enum Token: Hashable, Sendable {
    case access(AccessToken)
    case refresh(RefreshToken)

    /// The secret that it is under.
    package var keyID: UInt8 {
        switch self {
        case .access(let token): token.keyID
        case .refresh(let token): token.keyID
        }
    }

    package var isRefreshToken: Bool {
        if case .refresh = self { true } else { false }
    }

    /// The grant that it hangs on, if any.
    package var grant: Identifier? {
        switch self {
        case .access(let token):
            if case .grant(let id) = token.subject { id } else { nil }
        case .refresh(let token): token.grant
        }
    }
}

/// What a presented text turned out to be, without a look at the database.
package enum Presented<Value: Sendable & Equatable>: Sendable, Equatable {
    case authentic(Value)
    /// Not one of ours, or not an unharmed one.
    case forged
    /// It claims a key id that this node has not heard of: forged, if the node's view is recent.
    case unknownKey
    /// Signed under a secret that exists and that this node lacks: neither yes nor no.
    case secretMissing(keyID: UInt8)

    func map<Other>(_ transform: (Value) -> Other?) -> Presented<Other> {
        switch self {
        case .authentic(let value): transform(value).map { .authentic($0) } ?? .forged
        case .forged: .forged
        case .unknownKey: .unknownKey
        case .secretMissing(let keyID): .secretMissing(keyID: keyID)
        }
    }
}
