/// Asks whether an app may have the access that it wants.
package struct ConsentPage: Page {
    package static let template = PageTemplate.consent

    package var title: HTML { words.title }
    package let language: Language
    let words: Words.Consent
    package let formTargets: FormTargets
    let action: HTML
    let hidden: [Field]
    let heading: HTML
    let lead: HTML
    let ending: HTML
    let scopes: [ScopeText]
    let hasScopes: Bool
    let isOffline: Bool
    let switchAccountURL: HTML

    /// - Parameters:
    ///   - redirectHost: where the browser goes after either answer, as a person would read it
    ///   - isOffline: whether the app would keep its access after logging out
    ///   - formTargets: the validated redirect URI that the answer goes to
    package init(
        _ words: Words, action: String, hidden: [Field], clientName: String, clientID: String,
        redirectHost: String, username: String, scopes: [ScopeText], isOffline: Bool,
        switchAccountURL: String, formTargets: [String]
    ) {
        language = words.language
        self.words = words.consent
        self.action = HTML(action)
        self.hidden = hidden
        heading = words.consent.heading(.isolated(clientName))
        lead = words.signedIn.lead(.strong(username))
        ending = words.consent.ending(.code(redirectHost), .code(clientID))
        self.scopes = scopes
        hasScopes = !scopes.isEmpty
        self.isOffline = isOffline
        self.switchAccountURL = HTML(switchAccountURL)
        self.formTargets = FormTargets(formTargets)
    }
}

/// One thing that an app asks for.
package struct ScopeText: Sendable {
    let text: HTML

    /// What a scope lets an app do; by the scope's own name where we know no words for it.
    package init(_ scope: String, in words: Words) {
        text =
            switch scope {
            case "openid": words.scope.openID
            case "profile": words.scope.profile
            case "email": words.scope.email
            case "offline_access": words.scope.offlineAccess
            default: words.scope.other(.code(scope))
            }
    }
}
