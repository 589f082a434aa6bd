package import OAuth

/// Who ended something, and why: stored with every end, and logged.
package struct Cause: Sendable, Hashable {
    package let reason: String
    package let actor: String

    package init(reason: String, actor: String) {
        self.reason = reason
        self.actor = actor
    }

    package init(reason: String, by actor: Actor) {
        self.init(reason: reason, actor: actor.text)
    }
}

/// Who does something.
package enum Actor: Sendable, Hashable {
    /// Somebody who runs a command, by the name of the account on that machine.
    case commandLine(String)
    /// A client, by its client id.
    case client(String)
    /// A person who is logged in.
    case user(Identifier)
    /// Whoever holds the cookie of a login that is over already.
    case session(Identifier)
    /// The server itself.
    case server

    /// As it is stored and logged.
    package var text: String {
        switch self {
        case .commandLine(let account): "cli:\(account)"
        case .client(let id): "client:\(id)"
        case .user(let id): "user:\(id)"
        case .session(let id): "session:\(id)"
        case .server: "doornail"
        }
    }
}
