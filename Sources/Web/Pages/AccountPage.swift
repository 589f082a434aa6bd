package import OAuth

/// Shows a person where the account is logged in, and ends it there.
package struct AccountPage: Page {
    package static let template = PageTemplate.account

    package var title: HTML { HTML("Your account") }
    let action: HTML
    let hidden: [Field]
    let username: HTML
    let name: HTML?
    let notice: HTML?
    let alert: HTML?
    let thisDevice: DeviceText
    let devices: [DeviceText]
    let hasDevices: Bool
    /// That there are more devices than are shown.
    let more: HTML?
    let apps: [AppText]
    let hasApps: Bool
    /// How exactly it is known when a device was last used.
    let precision: HTML
    let minimumLength: HTML

    /// - Parameters:
    ///   - notice: what was ended, if something just was
    ///   - alert: what was not done, and why
    ///   - moreDevices: how many devices there are beyond those shown
    ///   - apps: those that keep their access after a logout
    ///   - precision: within which time uses are not told apart, in words
    package init(
        action: String, hidden: [Field], username: String, name: String?, notice: String? = nil,
        alert: String? = nil, thisDevice: DeviceText, devices: [DeviceText], moreDevices: Int = 0,
        apps: [AppText], precision: String
    ) {
        self.action = HTML(action)
        self.hidden = hidden
        self.username = HTML(username)
        self.name = name.map(HTML.init(_:))
        self.notice = notice.map(HTML.init(_:))
        self.alert = alert.map(HTML.init(_:))
        self.thisDevice = thisDevice
        self.devices = devices
        hasDevices = !devices.isEmpty
        more = moreDevices > 0 ? HTML(String(moreDevices)) : nil
        self.apps = apps
        hasApps = !apps.isEmpty
        self.precision = HTML(precision)
        minimumLength = HTML(String(Limits.passwordBytes.lowerBound))
    }
}

/// A device that somebody is logged in on.
package struct DeviceText: Sendable {
    let id: HTML
    let device: HTML
    let used: TimeText
    let begun: TimeText
    let place: HTML
    let userAgent: HTML
    let deviceApps: [NameText]
    let hasDeviceApps: Bool

    package init(
        id: String, userAgent: String?, address: String?, used: TimeText, begun: TimeText,
        apps: [String]
    ) {
        self.id = HTML(id)
        device = HTML(DeviceName.words(for: userAgent))
        self.used = used
        self.begun = begun
        place = HTML(address ?? "an address that is not known")
        self.userAgent = HTML(userAgent ?? "It did not say what it is.")
        deviceApps = apps.map(NameText.init)
        hasDeviceApps = !apps.isEmpty
    }
}

/// An app that keeps its access after a logout.
package struct AppText: Sendable {
    let id: HTML
    let app: HTML
    let used: TimeText
    let begun: TimeText
    let scopes: [ScopeText]
    let hasScopes: Bool

    package init(
        id: String, name: String, used: TimeText, begun: TimeText, scopes: [ScopeText]
    ) {
        self.id = HTML(id)
        app = HTML(name)
        self.used = used
        self.begun = begun
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
    let ago: HTML
    let exact: HTML

    package init(ago: String, exact: String) {
        self.ago = HTML(ago)
        self.exact = HTML(exact)
    }

    package init(_ moment: UnixTime, at now: UnixTime) {
        self.init(
            ago: TimeWords.ago(moment, at: now),
            exact: UTCTime(
                millisecondsSinceEpoch: moment.seconds.multipliedReportingOverflow(by: 1000)
                    .partialValue
            ).rfc3339)
    }
}
