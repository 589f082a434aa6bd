/// Why the store gave no answer.
package enum StoreError: Error, Sendable, CustomStringConvertible {
    /// It cannot answer now, or may have done something and cannot say: ask again.
    case unavailable(String)
    /// What was named does not exist.
    case missing(Subject)
    /// What was asked contradicts what is there.
    case conflict(Conflict)
    /// A statement was refused or its answer did not fit: a defect.
    case broken(String)

    /// What a caller named.
    package enum Subject: Sendable, Hashable {
        case client(String)
        case user(String)
        case session(Identifier)
        /// A session that is alive, with the epoch that it was read with.
        case login(Identifier)
        case grant(Identifier)
        case secret(UInt8)
    }

    /// What stands in the way.
    package enum Conflict: Sendable, Hashable {
        case clientExists(String)
        case userExists(String)
        /// Somebody else changed it after it was read.
        case clientChanged(String)
        /// All 255 key ids have been given out.
        case noKeyIDLeft
        /// A running node has no other secret than the one that is to be retired.
        case onlySecretOfNode(UInt8)
        /// No other secret than the one that is to be retired is in use.
        case onlySecret(UInt8)
        /// A trigger refused, in these words.
        case refused(String)
    }

    package var description: String {
        switch self {
        case .unavailable(let reason), .broken(let reason): reason
        case .missing(let subject): subject.description
        case .conflict(let conflict): conflict.description
        }
    }
}

extension StoreError.Subject: CustomStringConvertible {
    package var description: String {
        switch self {
        case .client(let id): "there is no client '\(id)'"
        case .user(let name): "there is no user '\(name)'"
        case .session(let id): "there is no session \(id)"
        case .login(let id): "the login \(id) is over, or not as it was"
        case .grant(let id): "there is no grant \(id)"
        case .secret(let keyID): "there is no secret \(keyID)"
        }
    }
}

extension StoreError.Conflict: CustomStringConvertible {
    package var description: String {
        switch self {
        case .clientExists(let id): "a client '\(id)' exists already"
        case .userExists(let name): "a user '\(name)' exists already"
        case .clientChanged(let id): "the client '\(id)' was changed meanwhile; try again"
        case .noKeyIDLeft: "all 255 key ids have been given out"
        case .onlySecretOfNode(let keyID): "a running node has no other secret than \(keyID)"
        case .onlySecret(let keyID): "secret \(keyID) is the only one that is not retired"
        case .refused(let message): message
        }
    }
}
