/// A set of scope tokens in the order they were given (RFC 6749 §3.3).
package struct Scope: Hashable, Sendable, CustomStringConvertible {
    package let tokens: [String]

    package static let none = Scope(unchecked: [])

    private init(unchecked tokens: [String]) {
        self.tokens = tokens
    }

    /// Reads a space-separated list; a repeated token counts once, a character outside
    /// %x21, %x23-5B, %x5D-7E or a list over 4 KiB is `invalid_scope`.
    package init(_ text: String) throws(OAuthError) {
        guard text.utf8.count <= Limits.scopeBytes else {
            throw OAuthError(.invalidScope, "the scope is longer than \(Limits.scopeBytes) bytes")
        }
        var tokens: [String] = []
        var seen: Set<String> = []
        for token in text.split(separator: " ", omittingEmptySubsequences: true).map(String.init) {
            guard token.utf8.allSatisfy(Scope.isScopeCharacter) else {
                throw OAuthError(
                    .invalidScope, "the scope contains a character that is not allowed")
            }
            if seen.insert(token).inserted { tokens.append(token) }
        }
        self.tokens = tokens
    }

    /// Scope tokens as the database keeps them, checked when they were registered.
    package init(stored tokens: [String]) {
        self.tokens = tokens
    }

    private static func isScopeCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x21, 0x23...0x5B, 0x5D...0x7E: true
        default: false
        }
    }

    package func contains(_ token: String) -> Bool { tokens.contains(token) }

    /// Whether every token of this scope is in another.
    package func isSubset(of other: Scope) -> Bool {
        Set(tokens).isSubset(of: Set(other.tokens))
    }

    /// The scope without one of its tokens.
    package func removing(_ token: String) -> Scope {
        Scope(unchecked: tokens.filter { $0 != token })
    }

    package var isEmpty: Bool { tokens.isEmpty }

    package var description: String { tokens.joined(separator: " ") }

    /// What is given for a request: all of what is allowed where none was asked for, else what was
    /// asked for; a token that is not allowed is `invalid_scope`.
    ///
    /// `openid` and `offline_access` are given only when asked for by name.
    package func granted(asking requested: String?) throws(OAuthError) -> Scope {
        guard let requested else {
            return Scope(unchecked: tokens.filter { $0 != "openid" && $0 != "offline_access" })
        }
        let wanted = try Scope(requested)
        let allowed = Set(tokens)
        for token in wanted.tokens where !allowed.contains(token) {
            throw OAuthError(.invalidScope, "the client may not have the scope \(token)")
        }
        return wanted
    }
}
