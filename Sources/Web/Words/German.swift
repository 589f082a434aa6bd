internal import OAuth

extension Words {
    package static let german = Words(
        language: .german,
        login: Login(
            title: "Anmelden",
            username: "Benutzername",
            password: "Passwort",
            submit: "Anmelden",
            mismatch: """
                Benutzername und Passwort passen nicht zusammen. Bitte versuchen Sie es noch einmal.
                """,
            toContinue: { app in "weiter zu \(app)" },
            full: { devices in
                """
                Sie sind auf \(devices) Geräten angemeldet. Mehr sind nicht möglich, und alle wurden in \
                letzter Zeit benutzt. Wenn Sie sich hier anmelden, wird das Gerät abgemeldet, das am \
                längsten nicht benutzt wurde. Ein anderes wählen Sie auf der Seite Ihres Kontos, auf einem \
                Gerät, auf dem Sie angemeldet sind.
                """
            }),
        signedIn: SignedIn(
            title: "Angemeldet",
            heading: "Sie sind angemeldet",
            account: "Ihr Konto: Geräte, Apps, Passwort",
            logout: "Abmelden",
            notYou: "Das sind nicht Sie?",
            switchAccount: "Anderes Konto verwenden",
            lead: { person in "Sie sind als \(person) angemeldet." }),
        consent: Consent(
            title: "Zugriff erlauben?",
            switchAccount: "Das sind nicht Sie? Anderes Konto verwenden",
            wants: "Diese App möchte Folgendes:",
            wantsNothing: "Diese App bittet um keinen bestimmten Zugriff.",
            offline: """
                Die App behält ihren Zugriff, auch wenn Sie sich auf diesem Gerät abmelden: bis er \
                beendet wird, Sie ein anderes Passwort bekommen oder er abläuft.
                """,
            allow: "Erlauben",
            deny: "Ablehnen",
            heading: { app in "Zugriff für \(app) erlauben?" },
            ending: { host, clientID in
                """
                Wie auch immer Sie sich entscheiden: Danach geht es zurück zu \(host). Die App ist \
                hier als \(clientID) registriert.
                """
            }),
        formPost: FormPost(
            title: "Weiter",
            onTheWay: """
                Ihr Browser ist auf dem Weg zurück zur App. Wenn nichts geschieht, wählen Sie \
                „Weiter“.
                """,
            submit: "Weiter"),
        account: germanAccount,
        notice: germanNotice,
        logout: Logout(
            title: "Abmelden",
            heading: "In diesem Browser abmelden?",
            reach: """
                Jede App, die ihren Zugriff über diese Anmeldung bekommen hat, verliert ihn sofort, \
                auf allen Servern. Nur eine App, der Sie erlaubt haben, ihren Zugriff nach der \
                Abmeldung zu behalten, behält ihn.
                """,
            cookies: germanCookies,
            submit: "Abmelden",
            asked: { app in "\(app) möchte Sie abmelden." }),
        loggedOut: LoggedOut(
            title: "Abgemeldet",
            heading: "Sie sind abgemeldet",
            reach: """
                Jede App, die ihren Zugriff über Ihre Anmeldung in diesem Browser bekommen hat, \
                hat ihn verloren, auf allen Servern. Nur eine App, der Sie erlaubt haben, ihren \
                Zugriff nach der Abmeldung zu behalten, kann ihn noch haben.
                """,
            cookies: germanCookies,
            back: "Zurück zur App"),
        notLoggedIn: NotLoggedIn(
            title: "Nicht angemeldet",
            heading: "In diesem Browser war niemand angemeldet",
            nothingEnded: "Es gab nichts, wovon Sie sich abmelden könnten; nichts wurde beendet."),
        failure: germanFailure,
        scope: ScopeWords(
            openID: "Wissen, wer Sie sind",
            profile: "Ihr Profil sehen, zum Beispiel Ihren Namen",
            email: "Ihre E-Mail-Adresse sehen",
            offlineAccess: "Den Zugriff behalten, auch wenn Sie sich abmelden",
            other: { name in "\(name) verwenden" }),
        device: DeviceWords(
            unknown: "Ein Browser",
            onSystem: { browser, system in "\(browser) unter \(system)" },
            onThing: { browser, thing in "\(browser) auf dem \(thing)" }),
        time: TimeUnits(
            justNow: "gerade eben",
            yesterday: "gestern",
            aMinute: "einer Minute",
            span: { germanCount($0, $1) },
            ago: { "vor \(germanCount($0, $1))" }))

    private static let germanCookies: HTML = """
        Cookies, die Apps selbst gesetzt haben, werden noch nicht erreicht. Eine App kann Sie \
        deshalb als angemeldet anzeigen, bis sie das nächste Mal nachfragt.
        """

    private static let germanAccount = Account(
        title: "Ihr Konto",
        thisDevice: "Dieses Gerät",
        otherDevices: "Andere Geräte",
        noOtherDevices: "Sie sind sonst nirgends angemeldet.",
        deviceApps: "Apps mit Zugriff über diese Anmeldung:",
        selfDescription: "Was dieser Browser über sich sagt",
        noSelfDescription: "Er hat nicht gesagt, was er ist.",
        logOutHere: "Hier abmelden",
        logOutDevice: "Dieses Gerät abmelden",
        offlineApps: "Apps, die ihren Zugriff behalten",
        offlineAppsLead: """
            Diesen Apps haben Sie erlaubt, ihren Zugriff zu behalten, auch wenn Sie sich abmelden.
            """,
        noOfflineApps: "Es gibt keine.",
        appScopes: "Was die App darf",
        endAccess: "Diesen Zugriff beenden",
        endAll: "Alles beenden",
        othersLead: """
            Meldet alle Geräte außer diesem ab und beendet den Zugriff jeder App, die ihn sonst \
            behält.
            """,
        others: "Alle anderen Geräte abmelden",
        everywhereLead: """
            Meldet auch dieses Gerät ab: Niemand ist mehr in Ihrem Konto angemeldet, und keine App \
            hat mehr Zugriff darauf.
            """,
        everywhere: "Überall abmelden",
        changePassword: "Passwort ändern",
        changePasswordLead: """
            Auch das meldet alle anderen Geräte ab und beendet den Zugriff jeder App, die ihn sonst \
            behält.
            """,
        currentPassword: "Jetziges Passwort",
        newPassword: "Neues Passwort",
        newPasswordAgain: "Neues Passwort noch einmal",
        unknownPlace: "einer unbekannten Adresse",
        deviceUse: { used, place, begun in
            "Zuletzt benutzt: \(used), von \(place). Angemeldet: \(begun)."
        },
        appUse: { used, allowed in "Zuletzt benutzt: \(used). Erlaubt: \(allowed)." },
        more: { number in
            """
            Nicht gezeigt: \(number). Auch das beendet „Alle anderen Geräte abmelden“.
            """
        },
        mostDevices: { number in
            """
            Sie können auf \(number) Geräten angemeldet sein. Ein weiteres meldet das Gerät ab, das am \
            längsten nicht benutzt wurde, es sei denn, es wurde am letzten Tag noch benutzt.
            """
        },
        precision: { span in
            """
            Eine Nutzung wird höchstens einmal in \(span) festgehalten; ein Gerät kann also seitdem \
            noch benutzt worden sein.
            """
        },
        passwordLength: { minimum in "Mindestens \(minimum) Zeichen." })

    private static let germanNotice = Notice(
        others: """
            Alle anderen Geräte wurden abgemeldet, und jede App, die ihren Zugriff behalten hatte, \
            hat ihn verloren, auf allen Servern.
            """,
        password: """
            Ihr Passwort wurde geändert. Alle anderen Geräte wurden abgemeldet, und jede App, die \
            ihren Zugriff behalten hatte, hat ihn verloren, auf allen Servern.
            """,
        gone: "Das gibt es nicht mehr. Nichts wurde beendet.",
        wrongPassword: "Das ist nicht Ihr jetziges Passwort. Nichts wurde geändert.",
        differentPasswords: "Die beiden neuen Passwörter sind verschieden. Nichts wurde geändert.",
        overtaken: """
            Ihr Konto wurde im selben Augenblick anderswo geändert, deshalb ist hier nichts \
            geschehen. Bitte sehen Sie es sich noch einmal an.
            """,
        unfitPassword: { minimum, maximum in
            """
            Ein Passwort hat mindestens \(minimum) Zeichen und höchstens \(maximum) Bytes. Nichts \
            wurde geändert.
            """
        },
        session: { device, keepsApps in
            let ended: HTML = """
                \(device) wurde abgemeldet. Die Apps dort haben ihren Zugriff verloren, auf allen \
                Servern.
                """
            return keepsApps
                ? "\(ended) Apps, die ihren Zugriff behalten, stehen weiter unten." : ended
        },
        app: { app, hasMore in
            let ended: HTML = "\(app) hat diesen Zugriff verloren, auf allen Servern."
            return hasMore
                ? "\(ended) Den übrigen Zugriff, der weiter unten steht, gibt es noch." : ended
        })

    private static let germanNotAForm: HTML = "Was gesendet wurde, ist kein Formular."

    private static let germanFailure = Failure(
        code: "Fehler",
        status: "Status",
        request: "Anfrage",
        refused: "Diese Anfrage lässt sich nicht beantworten",
        tooManyTries: "Zu viele Versuche",
        notNow: "Im Augenblick nicht",
        wentWrong: "Etwas ist schiefgegangen",
        notFound: "Diese Seite gibt es nicht",
        unanswerable: "Etwas an ihr stimmt nicht. Beginnen Sie bitte noch einmal in der App.",
        tooManyLogins: """
            Zu viele Anmeldungen sind fehlgeschlagen. Bitte versuchen Sie es später noch einmal.
            """,
        crowded: """
            Es warten mehr Passwörter auf ihre Prüfung, als auf einmal geprüft werden können. Ihres \
            wurde nicht geprüft und zählt nicht als fehlgeschlagene Anmeldung.
            """,
        unavailable: """
            Die Datenbank kann keine sichere Antwort geben. Bitte versuchen Sie es noch einmal.
            """,
        serverError: """
            Etwas ist schiefgegangen; im Protokoll steht es unter der Nummer der Anfrage.
            """,
        nothingHere: "Unter dieser Adresse gibt es nichts.",
        notAForm: germanNotAForm,
        bodyTooLarge: "Das Formular ist zu groß.",
        reason: { reason in
            switch reason {
            case .missing(let name): "Der Parameter \(.parameter(name)) fehlt."
            case .repeated(let name): "Der Parameter \(.parameter(name)) kommt mehrmals vor."
            case .unreadable(let name?): "Der Parameter \(.parameter(name)) ist nicht lesbar."
            case .unreadable(nil): "Der Name eines Parameters ist nicht lesbar."
            case .tooManyParameters: "Es sind mehr als \(Limits.parameters) Parameter."
            case .tooLong:
                "Die Anfrage ist länger als \(Limits.authorizationRequestBytes) Bytes."
            case .notAForm: germanNotAForm
            case .unknownClient: "Diese App gibt es hier nicht, oder sie ist gesperrt."
            case .unknownRedirectURI:
                "\(.parameter("redirect_uri")) ist keine Adresse, die für die App registriert ist."
            case .damagedLink:
                "Der Link ist beschädigt. Beginnen Sie bitte noch einmal in der App."
            }
        },
        retry: { span in "In \(span) können Sie es noch einmal versuchen." })

    /// As it follows "vor" and "in": in the dative.
    private static func germanCount(_ number: Int64, _ unit: TimeUnit) -> HTML {
        let (one, many) =
            switch unit {
            case .second: ("Sekunde", "Sekunden")
            case .minute: ("Minute", "Minuten")
            case .hour: ("Stunde", "Stunden")
            case .day: ("Tag", "Tagen")
            case .month: ("Monat", "Monaten")
            case .year: ("Jahr", "Jahren")
            }
        return "\(number) \(number == 1 ? one : many)"
    }
}
