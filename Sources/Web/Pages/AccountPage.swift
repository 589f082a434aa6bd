package import OAuth
import Serving

/// Shows a person where the account is logged in, and ends it there.
package struct AccountPage: Page {
    package static let template = PageTemplate.account

    package var title: HTML { words.title }
    package let language: Language
    let words: Words.Account
    let action: HTML
    let hidden: [Field]
    let username: HTML
    let lead: HTML
    let notice: HTML?
    let alert: HTML?
    let thisDevice: DeviceText
    /// The apps that have access through this device's login.
    let ownApps: [AppText]
    let hasOwnApps: Bool
    let devices: [DeviceText]
    let hasDevices: Bool
    /// That there are more devices than are shown.
    let more: HTML?
    /// How many there may be, where there are many.
    let mostDevices: HTML?
    let apps: [AppText]
    let hasApps: Bool
    /// That there are more of these apps than are shown.
    let restOfApps: HTML?
    /// How exactly it is known when a device was last used.
    let precision: HTML
    let minimumLength: HTML
    let passwordLength: HTML

    /// - Parameters:
    ///   - notice: what was ended, if something just was
    ///   - alert: what was not done, and why
    ///   - deviceApps: those that have access through this device's login
    ///   - moreDevices: how many devices there are beyond those shown
    ///   - mostDevices: how many there may be, where there are many
    ///   - apps: those that keep their access after a logout
    ///   - moreApps: how many of these there are beyond those shown
    ///   - precisionSeconds: within which time uses are not told apart
    package init(
        _ words: Words, action: String, hidden: [Field], username: String, name: String?,
        notice: HTML? = nil, alert: HTML? = nil, thisDevice: DeviceText,
        deviceApps: [AppText] = [], devices: [DeviceText], moreDevices: Int = 0,
        mostDevices: Int? = nil, apps: [AppText], moreApps: Int = 0, precisionSeconds: Int64
    ) {
        language = words.language
        self.words = words.account
        self.action = HTML(action)
        self.hidden = hidden
        self.username = HTML(username)
        lead = words.signedIn.lead(.person(username, name: name))
        self.notice = notice
        self.alert = alert
        self.thisDevice = thisDevice
        ownApps = deviceApps
        hasOwnApps = !deviceApps.isEmpty
        self.devices = devices
        hasDevices = !devices.isEmpty
        more = moreDevices > 0 ? words.account.more(moreDevices) : nil
        self.mostDevices = mostDevices.map(words.account.mostDevices)
        self.apps = apps
        hasApps = !apps.isEmpty
        restOfApps = moreApps > 0 ? words.account.more(moreApps) : nil
        precision = words.account.precision(TimeWords.span(precisionSeconds, in: words.time))
        let minimum = Limits.passwordBytes.lowerBound
        minimumLength = HTML(String(minimum))
        passwordLength = words.account.passwordLength(minimum)
    }
}

/// A device that somebody is logged in on.
package struct DeviceText: Sendable {
    let id: HTML
    let device: HTML
    let usage: HTML
    let userAgent: HTML
    let deviceApps: [NameText]
    let hasDeviceApps: Bool

    package init(
        id: String, userAgent: String?, address: String?, used: TimeText, begun: TimeText,
        apps: [String], in words: Words
    ) {
        self.id = HTML(id)
        device = DeviceName.words(for: userAgent, in: words.device)
        usage = words.account.deviceUse(
            used.html, address.map(HTML.init(_:)) ?? words.account.unknownPlace, begun.html)
        self.userAgent = userAgent.map(HTML.code) ?? words.account.noSelfDescription
        deviceApps = apps.map(NameText.init)
        hasDeviceApps = !apps.isEmpty
    }
}

/// An app that keeps its access after a logout.
package struct AppText: Sendable {
    let id: HTML
    let app: HTML
    let usage: HTML
    let scopes: [ScopeText]
    let hasScopes: Bool

    package init(
        id: String, name: String, used: TimeText, begun: TimeText, scopes: [ScopeText],
        in words: Words
    ) {
        self.id = HTML(id)
        app = HTML(name)
        usage = words.account.appUse(used.html, begun.html)
        self.scopes = scopes
        hasScopes = !scopes.isEmpty
    }
}

/// A name in a list.
package struct NameText: Sendable {
    let label: HTML

    package init(_ name: String) {
        label = HTML(name)
    }
}

/// A moment: as people say it, and exactly.
package struct TimeText: Sendable {
    let html: HTML

    package init(ago: HTML, exact: String) {
        html = .time(ago, exactly: exact)
    }

    package init(_ moment: UnixTime, at now: UnixTime, in words: Words) {
        self.init(
            ago: TimeWords.ago(moment, at: now, in: words.time),
            exact: UTCTime(
                millisecondsSinceEpoch: moment.seconds.multipliedReportingOverflow(by: 1000)
                    .partialValue
            ).rfc3339)
    }
}
