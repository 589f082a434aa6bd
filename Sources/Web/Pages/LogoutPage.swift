/// Asks whether to end this browser's login.
package struct LogoutPage: Page {
    package static let template = PageTemplate.logout

    package var title: HTML { words.title }
    package let language: Language
    let words: Words.Logout
    package let formTargets: FormTargets
    let action: HTML
    let hidden: [Field]
    let lead: HTML
    let asked: HTML?

    /// - Parameters:
    ///   - clientName: the app that asks for it, if one does
    ///   - formTargets: the validated URI that the browser goes to afterwards
    package init(
        _ words: Words, action: String, hidden: [Field], username: String,
        clientName: String? = nil, formTargets: [String] = []
    ) {
        language = words.language
        self.words = words.logout
        self.action = HTML(action)
        self.hidden = hidden
        lead = words.signedIn.lead(.strong(username))
        asked = clientName.map { words.logout.asked(.isolated($0)) }
        self.formTargets = FormTargets(formTargets)
    }
}

/// Says that the login is over, and what that reaches.
package struct LoggedOutPage: Page {
    package static let template = PageTemplate.loggedOut

    package var title: HTML { words.title }
    package let language: Language
    let words: Words.LoggedOut
    let returnURL: HTML?

    /// - Parameter returnURL: where the app wants the browser back; no link is shown for what
    ///   could not be registered, such as `javascript:`
    package init(_ words: Words, returnURL: String? = nil) {
        language = words.language
        self.words = words.loggedOut
        self.returnURL = returnURL.flatMap { url in
            ContentSecurityPolicy.source(for: url) == nil ? nil : HTML(url)
        }
    }
}

/// Says that there was no login to end.
package struct NotLoggedInPage: Page {
    package static let template = PageTemplate.notLoggedIn

    package var title: HTML { words.title }
    package let language: Language
    let words: Words.NotLoggedIn

    package init(_ words: Words) {
        language = words.language
        self.words = words.notLoggedIn
    }
}
