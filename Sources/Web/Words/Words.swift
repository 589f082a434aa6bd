package import OAuth

/// Everything that pages say, in one language: a `let` for each sentence, and a function for each
/// that has values in it, so that the compiler says what a language lacks.
///
/// A sentence is ``HTML``, since what stands in it may be marked up; its own text is escaped.
package struct Words: Sendable {
    package let language: Language
    package let login: Login
    package let signedIn: SignedIn
    package let consent: Consent
    package let formPost: FormPost
    package let account: Account
    package let notice: Notice
    package let logout: Logout
    package let loggedOut: LoggedOut
    package let notLoggedIn: NotLoggedIn
    package let failure: Failure
    package let scope: ScopeWords
    package let device: DeviceWords
    package let time: TimeUnits

    package struct Login: Sendable {
        package let title: HTML
        package let username: HTML
        package let password: HTML
        package let submit: HTML
        package let mismatch: HTML
        package let toContinue: @Sendable (_ app: HTML) -> HTML
        /// The person is logged in on as many devices as may be.
        package let full: @Sendable (_ devices: Int) -> HTML
    }

    package struct SignedIn: Sendable {
        package let title: HTML
        package let heading: HTML
        package let account: HTML
        package let logout: HTML
        package let notYou: HTML
        package let switchAccount: HTML
        /// Also on the pages for consent, the account, and logout.
        package let lead: @Sendable (_ person: HTML) -> HTML
    }

    package struct Consent: Sendable {
        package let title: HTML
        package let switchAccount: HTML
        package let wants: HTML
        package let wantsNothing: HTML
        package let offline: HTML
        package let allow: HTML
        package let deny: HTML
        package let heading: @Sendable (_ app: HTML) -> HTML
        package let ending: @Sendable (_ host: HTML, _ clientID: HTML) -> HTML
    }

    package struct FormPost: Sendable {
        package let title: HTML
        package let onTheWay: HTML
        package let submit: HTML
    }

    package struct Account: Sendable {
        package let title: HTML
        package let thisDevice: HTML
        package let otherDevices: HTML
        package let noOtherDevices: HTML
        package let deviceApps: HTML
        package let selfDescription: HTML
        package let noSelfDescription: HTML
        package let logOutHere: HTML
        package let logOutDevice: HTML
        package let offlineApps: HTML
        package let offlineAppsLead: HTML
        package let noOfflineApps: HTML
        package let appScopes: HTML
        package let endAccess: HTML
        package let endAll: HTML
        package let othersLead: HTML
        package let others: HTML
        package let everywhereLead: HTML
        package let everywhere: HTML
        package let changePassword: HTML
        package let changePasswordLead: HTML
        package let currentPassword: HTML
        package let newPassword: HTML
        package let newPasswordAgain: HTML
        package let unknownPlace: HTML
        package let deviceUse: @Sendable (_ used: HTML, _ place: HTML, _ begun: HTML) -> HTML
        package let appUse: @Sendable (_ used: HTML, _ allowed: HTML) -> HTML
        /// Of devices, or of apps.
        package let more: @Sendable (_ number: Int) -> HTML
        package let mostDevices: @Sendable (_ number: Int) -> HTML
        /// - Parameter span: as ``TimeUnits`` says it
        package let precision: @Sendable (_ span: HTML) -> HTML
        package let passwordLength: @Sendable (_ minimum: Int) -> HTML
    }

    /// What the account page says after a form of it was sent.
    package struct Notice: Sendable {
        package let others: HTML
        package let password: HTML
        package let gone: HTML
        package let wrongPassword: HTML
        package let differentPasswords: HTML
        package let overtaken: HTML
        package let unfitPassword: @Sendable (_ minimum: Int, _ maximum: Int) -> HTML
        /// - Parameter keepsApps: there are apps that keep their access
        package let session: @Sendable (_ device: HTML, _ keepsApps: Bool) -> HTML
        /// - Parameter hasMore: the app still has other access
        package let app: @Sendable (_ app: HTML, _ hasMore: Bool) -> HTML
    }

    package struct Logout: Sendable {
        package let title: HTML
        package let heading: HTML
        package let reach: HTML
        package let cookies: HTML
        package let submit: HTML
        package let asked: @Sendable (_ app: HTML) -> HTML
    }

    package struct LoggedOut: Sendable {
        package let title: HTML
        package let heading: HTML
        package let reach: HTML
        package let cookies: HTML
        package let back: HTML
    }

    package struct NotLoggedIn: Sendable {
        package let title: HTML
        package let heading: HTML
        package let nothingEnded: HTML
    }

    /// Why something was not answered. The protocol's codes stay as they are.
    package struct Failure: Sendable {
        package let code: HTML
        package let status: HTML
        package let request: HTML
        package let refused: HTML
        package let tooManyTries: HTML
        package let notNow: HTML
        package let wentWrong: HTML
        package let notFound: HTML
        package let unanswerable: HTML
        package let tooManyLogins: HTML
        package let crowded: HTML
        package let unavailable: HTML
        package let serverError: HTML
        package let nothingHere: HTML
        package let notAForm: HTML
        package let bodyTooLarge: HTML
        package let reason: @Sendable (OAuthError.Reason) -> HTML
        package let retry: @Sendable (_ span: HTML) -> HTML
    }

    /// What a scope lets an app do.
    package struct ScopeWords: Sendable {
        package let openID: HTML
        package let profile: HTML
        package let email: HTML
        package let offlineAccess: HTML
        /// One that we know nothing of.
        package let other: @Sendable (_ name: HTML) -> HTML
    }

    package struct DeviceWords: Sendable {
        package let unknown: HTML
        package let onSystem: @Sendable (_ browser: HTML, _ system: HTML) -> HTML
        /// On a thing, such as an iPhone.
        package let onThing: @Sendable (_ browser: HTML, _ thing: HTML) -> HTML
    }

    /// Spans and how long ago something was.
    package struct TimeUnits: Sendable {
        package let justNow: HTML
        package let yesterday: HTML
        /// As in "at most once in a minute".
        package let aMinute: HTML
        package let span: @Sendable (Int64, TimeUnit) -> HTML
        package let ago: @Sendable (Int64, TimeUnit) -> HTML
    }
}

extension Language {
    package var words: Words {
        switch self {
        case .english: .english
        case .german: .german
        }
    }
}

/// What times are counted in.
package enum TimeUnit: Sendable, CaseIterable {
    case second, minute, hour, day, month, year
}
