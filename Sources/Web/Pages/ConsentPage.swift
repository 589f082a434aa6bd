/// Asks whether an app may have the access that it wants.
package struct ConsentPage: Page {
    package static let template = PageTemplate.consent

    package var title: HTML { HTML("Allow access?") }
    package let formTargets: FormTargets
    let action: HTML
    let hidden: [Field]
    let clientName: HTML
    let clientID: HTML
    let redirectHost: HTML
    let username: HTML
    let scopes: [ScopeText]
    let hasScopes: Bool
    let isOffline: Bool
    let switchAccountURL: HTML

    /// - Parameters:
    ///   - redirectHost: where the browser goes after either answer, as a person would read it
    ///   - isOffline: whether the app would keep its access after logging out
    ///   - formTargets: the validated redirect URI that the answer goes to
    package init(
        action: String, hidden: [Field], clientName: String, clientID: String,
        redirectHost: String, username: String, scopes: [ScopeText], isOffline: Bool,
        switchAccountURL: String, formTargets: [String]
    ) {
        self.action = HTML(action)
        self.hidden = hidden
        self.clientName = HTML(clientName)
        self.clientID = HTML(clientID)
        self.redirectHost = HTML(redirectHost)
        self.username = HTML(username)
        self.scopes = scopes
        hasScopes = !scopes.isEmpty
        self.isOffline = isOffline
        self.switchAccountURL = HTML(switchAccountURL)
        self.formTargets = FormTargets(formTargets)
    }
}

/// One thing that an app asks for.
package struct ScopeText: Sendable {
    let name: HTML
    let words: HTML
    /// Whether the words say more than the name.
    let hasWords: Bool

    package init(_ scope: String) {
        self.init(name: scope, words: Self.words(for: scope))
    }

    package init(name: String, words: String) {
        self.name = HTML(name)
        self.words = HTML(words)
        hasWords = self.words != self.name
    }

    /// What a scope lets an app do, in words; the scope's own name where we know none.
    package static func words(for scope: String) -> String {
        switch scope {
        case "openid": "Know who you are"
        case "profile": "See your profile, such as your name"
        case "email": "See your email address"
        case "offline_access": "Keep its access after you log out"
        default: scope
        }
    }
}
