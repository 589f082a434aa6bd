/// Asks whether to end this browser's login.
package struct LogoutPage: Page {
    package static let template = PageTemplate.logout

    package var title: HTML { HTML("Log out") }
    package let formTargets: FormTargets
    let action: HTML
    let hidden: [Field]
    let username: HTML
    let clientName: HTML?

    /// - Parameters:
    ///   - clientName: the app that asks for it, if one does
    ///   - formTargets: the validated URI that the browser goes to afterwards
    package init(
        action: String, hidden: [Field], username: String, clientName: String? = nil,
        formTargets: [String] = []
    ) {
        self.action = HTML(action)
        self.hidden = hidden
        self.username = HTML(username)
        self.clientName = clientName.map(HTML.init(_:))
        self.formTargets = FormTargets(formTargets)
    }
}

/// Says that the login is over, and what that reaches.
package struct LoggedOutPage: Page {
    package static let template = PageTemplate.loggedOut

    package var title: HTML { HTML("Logged out") }
    let returnURL: HTML?

    /// - Parameter returnURL: where the app wants the browser back; no link is shown for what
    ///   could not be registered, such as `javascript:`
    package init(returnURL: String? = nil) {
        self.returnURL = returnURL.flatMap { url in
            ContentSecurityPolicy.source(for: url) == nil ? nil : HTML(url)
        }
    }
}

/// Says that there was no login to end.
package struct NotLoggedInPage: Page {
    package static let template = PageTemplate.notLoggedIn

    package var title: HTML { HTML("Not logged in") }

    package init() {}
}
