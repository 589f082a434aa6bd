/// Asks for a user name and a password.
package struct LoginPage: Page {
    package static let template = PageTemplate.login

    package var title: HTML { HTML("Sign in") }
    package let formTargets: FormTargets
    let action: HTML
    let hidden: [Field]
    let username: HTML
    let hasUsername: Bool
    let clientName: HTML?
    let alert: HTML?

    /// - Parameters:
    ///   - username: what the field holds already; may be empty
    ///   - clientName: the app that waits for the login, if one does
    ///   - alert: what went wrong before
    ///   - formTargets: the validated redirect URI that the login may end at
    package init(
        action: String, hidden: [Field], username: String = "", clientName: String? = nil,
        alert: String? = nil, formTargets: [String] = []
    ) {
        self.action = HTML(action)
        self.hidden = hidden
        self.username = HTML(username)
        hasUsername = !username.isEmpty
        self.clientName = clientName.map(HTML.init(_:))
        self.alert = alert.map(HTML.init(_:))
        self.formTargets = FormTargets(formTargets)
    }
}

/// Says who is signed in, where no app waits for an answer.
package struct SignedInPage: Page {
    package static let template = PageTemplate.signedIn

    package var title: HTML { HTML("Signed in") }
    let username: HTML
    let name: HTML?
    let accountURL: HTML
    let logoutURL: HTML
    let switchAccountURL: HTML

    package init(
        username: String, name: String?, accountURL: String, logoutURL: String,
        switchAccountURL: String
    ) {
        self.username = HTML(username)
        self.name = name.map(HTML.init(_:))
        self.accountURL = HTML(accountURL)
        self.logoutURL = HTML(logoutURL)
        self.switchAccountURL = HTML(switchAccountURL)
    }
}
