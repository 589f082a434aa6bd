internal import OAuth

extension Words {
    package static let english = Words(
        language: .english,
        login: Login(
            title: "Sign in",
            username: "User name",
            password: "Password",
            submit: "Sign in",
            mismatch: "That user name and that password do not belong together. Try again.",
            toContinue: { app in "to continue to \(app)" },
            full: { devices in
                """
                You are logged in on \(devices) devices, as many as there may be, and all of them were \
                used lately. If you sign in here, the one that was not used for the longest is logged out. \
                To choose another one, open your account page on a device where you are logged in.
                """
            }),
        signedIn: SignedIn(
            title: "Signed in",
            heading: "You are signed in",
            account: "Your account: devices, apps, password",
            logout: "Log out",
            notYou: "Not you?",
            switchAccount: "Use another account",
            lead: { person in "You are signed in as \(person)." }),
        consent: Consent(
            title: "Allow access?",
            switchAccount: "Not you? Use another account",
            wants: "This app wants to:",
            wantsNothing: "This app asks for no access by name.",
            offline: """
                The app keeps its access after you log out on this device, until it is ended, you \
                get another password, or it expires.
                """,
            allow: "Allow",
            deny: "Deny",
            heading: { app in "Allow \(app)?" },
            ending: { host, clientID in
                """
                Whichever you choose, you then go back to \(host). The app is registered here as \
                \(clientID).
                """
            }),
        formPost: FormPost(
            title: "Continue",
            onTheWay: """
                Your browser is on its way back to the app. If nothing happens, press Continue.
                """,
            submit: "Continue"),
        account: englishAccount,
        notice: englishNotice,
        logout: Logout(
            title: "Log out",
            heading: "Log out of this browser?",
            reach: """
                Every app that got its access through this login loses it at once, on all servers. \
                Only an app that you allowed to keep its access after you log out keeps it.
                """,
            cookies: englishCookies,
            submit: "Log out",
            asked: { app in "\(app) asks to log you out." }),
        loggedOut: LoggedOut(
            title: "Logged out",
            heading: "You are logged out",
            reach: """
                Every app that got its access through your login in this browser has lost it, on \
                all servers. Only an app that you allowed to keep its access after you log out may \
                still have it.
                """,
            cookies: englishCookies,
            back: "Go back to the app"),
        notLoggedIn: NotLoggedIn(
            title: "Not logged in",
            heading: "This browser was not logged in",
            nothingEnded: "There was nothing to log out of, so nothing was ended."),
        failure: englishFailure,
        scope: ScopeWords(
            openID: "Know who you are",
            profile: "See your profile, such as your name",
            email: "See your email address",
            offlineAccess: "Keep its access after you log out",
            other: { name in "Use \(name)" }),
        device: DeviceWords(
            unknown: "A browser",
            onSystem: { browser, system in "\(browser) on \(system)" },
            onThing: { browser, thing in "\(browser) on \(thing)" }),
        time: TimeUnits(
            justNow: "just now",
            yesterday: "yesterday",
            aMinute: "a minute",
            span: { "\(englishCount($0, $1))" },
            ago: { "\(englishCount($0, $1)) ago" }))

    private static let englishCookies: HTML = """
        Cookies that apps set for themselves are not reached yet, so an app may still show you as \
        signed in until it asks again.
        """

    private static let englishAccount = Account(
        title: "Your account",
        thisDevice: "This device",
        otherDevices: "Other devices",
        noOtherDevices: "You are logged in nowhere else.",
        deviceApps: "Apps with access through this login:",
        selfDescription: "What this browser says it is",
        noSelfDescription: "It did not say what it is.",
        logOutHere: "Log out here",
        logOutDevice: "Log out this device",
        offlineApps: "Apps that keep their access",
        offlineAppsLead: "You allowed these to keep their access after you log out.",
        noOfflineApps: "There are none.",
        appScopes: "What it may do",
        endAccess: "End this access",
        endAll: "End all of it",
        othersLead: """
            Logs out every device but this one, and ends the access of every app that keeps it.
            """,
        others: "Log out all other devices",
        everywhereLead: """
            Logs out this device, too: nobody is logged in to your account, and no app has access \
            to it.
            """,
        everywhere: "Log out everywhere",
        changePassword: "Change the password",
        changePasswordLead: """
            This also logs out all other devices, and ends the access of every app that keeps it.
            """,
        currentPassword: "Current password",
        newPassword: "New password",
        newPasswordAgain: "New password again",
        unknownPlace: "an address that is not known",
        deviceUse: { used, place, begun in "Last used \(used) from \(place). Logged in \(begun)." },
        appUse: { used, allowed in "Last used \(used), allowed \(allowed)." },
        more: { number in
            """
            And \(number) more, not shown here. “Log out all other devices” ends \
            \(number == 1 ? "it" : "them"), too.
            """
        },
        mostDevices: { number in
            """
            You can be logged in on \(number) devices. One more logs out the one that was not used for \
            the longest, unless that was used within the last day.
            """
        },
        precision: { span in
            "Uses are noted at most once in \(span), so a device may have been used since."
        },
        passwordLength: { minimum in "At least \(minimum) characters." })

    private static let englishNotice = Notice(
        others: """
            All other devices were logged out, and every app that kept its access lost it, on all \
            servers.
            """,
        password: """
            Your password was changed. All other devices were logged out, and every app that kept \
            its access lost it, on all servers.
            """,
        gone: "That is not there any more. Nothing was ended.",
        wrongPassword: "That is not your current password. Nothing was changed.",
        differentPasswords: "The two new passwords are not the same. Nothing was changed.",
        overtaken: """
            Your account was changed elsewhere at the same moment, so nothing was done here. Look \
            at it again.
            """,
        unfitPassword: { minimum, maximum in
            """
            A password has at least \(minimum) characters and at most \(maximum) bytes. Nothing \
            was changed.
            """
        },
        session: { device, keepsApps in
            let ended: HTML =
                "\(device) was logged out. Its apps lost their access, on all servers."
            return keepsApps
                ? "\(ended) Apps that keep their access are listed below." : ended
        },
        app: { app, hasMore in
            let ended: HTML = "\(app) lost this access, on all servers."
            return hasMore
                ? "\(ended) It still has the other access that is listed below." : ended
        })

    private static let englishNotAForm: HTML = "What was sent is no form."

    private static let englishFailure = Failure(
        code: "Error",
        status: "Status",
        request: "Request",
        refused: "This request cannot be answered",
        tooManyTries: "Too many tries",
        notNow: "Not now",
        wentWrong: "Something went wrong",
        notFound: "There is no such page",
        unanswerable: "Something about it is not as it should be. Start again at the app.",
        tooManyLogins: "Too many failed logins. Try again later.",
        crowded: """
            More passwords wait to be checked than can be at once. Yours was not checked, and does not \
            count as a failed login.
            """,
        unavailable: "The database cannot answer for certain. Ask again.",
        serverError: "Something went wrong; the log has it by the number of the request.",
        nothingHere: "There is nothing at this address.",
        notAForm: englishNotAForm,
        bodyTooLarge: "The form is too large.",
        reason: { reason in
            switch reason {
            case .missing(let name): "The parameter \(.parameter(name)) is missing."
            case .repeated(let name): "The parameter \(.parameter(name)) is repeated."
            case .unreadable(let name?): "The parameter \(.parameter(name)) cannot be read."
            case .unreadable(nil): "A parameter's name cannot be read."
            case .tooManyParameters: "There are more than \(Limits.parameters) parameters."
            case .tooLong: "The request is longer than \(Limits.authorizationRequestBytes) bytes."
            case .notAForm: englishNotAForm
            case .unknownClient: "There is no such client, or it is disabled."
            case .unknownRedirectURI:
                "\(.parameter("redirect_uri")) is not one that the client registered."
            case .damagedLink: "The link is damaged. Start again at the app."
            }
        },
        retry: { span in "You can try again in \(span)." })

    private static func englishCount(_ number: Int64, _ unit: TimeUnit) -> HTML {
        let name =
            switch unit {
            case .second: "second"
            case .minute: "minute"
            case .hour: "hour"
            case .day: "day"
            case .month: "month"
            case .year: "year"
            }
        return "\(number) \(name)\(number == 1 ? "" : "s")"
    }
}
