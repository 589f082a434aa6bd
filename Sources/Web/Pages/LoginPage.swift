/// Asks for a user name and a password.
package struct LoginPage: Page {
    package static let template = PageTemplate.login

    package var title: HTML { words.title }
    package let language: Language
    let words: Words.Login
    package let formTargets: FormTargets
    let action: HTML
    let hidden: [Field]
    let username: HTML
    let hasUsername: Bool
    let lead: HTML?
    let alert: HTML?

    /// - Parameters:
    ///   - username: what the field holds already; may be empty
    ///   - clientName: the app that waits for the login, if one does
    ///   - alert: what went wrong before
    ///   - formTargets: the validated redirect URI that the login may end at
    package init(
        _ words: Words, action: String, hidden: [Field], username: String = "",
        clientName: String? = nil, alert: HTML? = nil, formTargets: [String] = []
    ) {
        language = words.language
        self.words = words.login
        self.action = HTML(action)
        self.hidden = hidden
        self.username = HTML(username)
        hasUsername = !username.isEmpty
        lead = clientName.map { words.login.toContinue(.isolated($0)) }
        self.alert = alert
        self.formTargets = FormTargets(formTargets)
    }
}

/// Says who is signed in, where no app waits for an answer.
package struct SignedInPage: Page {
    package static let template = PageTemplate.signedIn

    package var title: HTML { words.title }
    package let language: Language
    let words: Words.SignedIn
    let lead: HTML
    let accountURL: HTML
    let logoutURL: HTML
    let switchAccountURL: HTML

    package init(
        _ words: Words, username: String, name: String?, accountURL: String, logoutURL: String,
        switchAccountURL: String
    ) {
        language = words.language
        self.words = words.signedIn
        lead = words.signedIn.lead(.person(username, name: name))
        self.accountURL = HTML(accountURL)
        self.logoutURL = HTML(logoutURL)
        self.switchAccountURL = HTML(switchAccountURL)
    }
}
