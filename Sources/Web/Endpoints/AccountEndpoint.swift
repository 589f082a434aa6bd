import Cluster
import HTTPTypes
import Hummingbird
import OAuth
import Serving
import Storage

/// `/account`: where a person sees the own logins and apps, ends them, and changes the password.
struct AccountEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) async throws -> Response {
        let browser = Browser(request, context, services)
        let form = try await RequestForm.read(request)
        return request.method == .post
            ? try await act(form, browser, context) : try await show(form, browser, context)
    }

    // MARK: The page

    private func show(
        _ form: Form, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        let login = try await browser.login()
        guard let user = login.user else { return toLogin(browser) }
        let notice = try AccountNotice.read(
            form, user, browser, services.node, at: login.readAt)
        let account = try await services.store.account(
            of: user.user.id, here: user.session.id, asked: notice?.subject, by: context.deadline)
        let alive = account.devices.filter { $0.death == nil }
        guard let this = alive.first(where: { $0.session.id == user.session.id }) else {
            return toLogin(browser)
        }
        let others = alive.filter { $0.session.id != user.session.id }
        let words = browser.words
        var alert: HTML?
        if case .failed(let failure) = notice { alert = failure.text(in: words.notice) }
        let now = account.readAt
        return browser.page(
            AccountPage(
                words, action: browser.path(.account),
                hidden: [try browser.formToken(for: .account).field()],
                username: user.user.username, name: login.name,
                notice: notice.flatMap { Self.text(of: $0, in: account, words) }, alert: alert,
                // What this browser says now is newer than what was noted of it.
                thisDevice: Self.text(of: this, from: browser.origin, usedAt: now, at: now, words),
                deviceApps: account.deviceApps.map { Self.text(of: $0, at: now, words) },
                devices: others.map { device in
                    Self.text(
                        of: device,
                        from: Origin(userAgent: device.userAgent, address: device.address),
                        usedAt: device.session.lastSeenAt, at: now, words)
                },
                moreDevices: account.moreDevices,
                mostDevices: alive.count + account.moreDevices >= Limits.sessionsPerUser / 2
                    ? Limits.sessionsPerUser : nil,
                apps: account.apps.map { Self.text(of: $0, at: now, words) },
                moreApps: account.moreApps,
                precisionSeconds: SessionState.precisionSeconds(
                    idleSeconds: services.lifetimes.session.idleSeconds)))
    }

    private static func text(
        of device: AccountDevice, from origin: Origin, usedAt: UnixTime, at now: UnixTime,
        _ words: Words
    ) -> DeviceText {
        DeviceText(
            id: device.session.id.description, userAgent: origin.userAgent,
            address: origin.address, used: TimeText(usedAt, at: now, in: words),
            begun: TimeText(device.session.authenticatedAt, at: now, in: words),
            apps: device.apps, in: words)
    }

    private static func text(
        of app: GrantRecord, at now: UnixTime, _ words: Words
    ) -> AppText {
        AppText(
            id: app.id.description, name: name(of: app),
            used: TimeText(UnixTime(app.lastUsedAt), at: now, in: words),
            begun: TimeText(UnixTime(app.createdAt), at: now, in: words),
            scopes: app.scope.tokens.map { ScopeText($0, in: words) }, in: words)
    }

    private static func name(of app: GrantRecord) -> String {
        app.clientName.isEmpty ? app.clientID : app.clientName
    }

    /// What was ended. Of one login or app it is said only if that is seen to be dead now.
    private static func text(
        of notice: AccountNotice, in account: Account, _ words: Words
    ) -> HTML? {
        switch notice {
        case .session(let id):
            guard let device = account.devices.first(where: { $0.session.id == id }),
                device.death != nil
            else { return nil }
            return words.notice.session(
                DeviceName.words(for: device.userAgent, in: words.device), !account.apps.isEmpty)
        case .app(let id):
            guard let app = account.asked, app.id == id, app.death != nil else { return nil }
            let name = name(of: app)
            let hasMore =
                account.apps.contains { $0.clientID == app.clientID }
                || account.devices.contains { $0.death == nil && $0.apps.contains(name) }
            return words.notice.app(.isolated(name), hasMore)
        case .others: return words.notice.others
        case .password: return words.notice.password
        case .failed: return nil
        }
    }

    // MARK: Its forms

    private func act(
        _ form: Form, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        guard try browser.formToken(for: .account).isIn(form) else {
            context.log.outcome = "foreign_form"
            return browser.redirect(to: browser.path(.account))
        }
        guard let user = try await browser.login().user else { return toLogin(browser) }
        switch form["action"] {
        case "session": return try await endSession(form, user, browser, context)
        case "app": return try await endApp(form, user, browser, context)
        case "others":
            // Who still has the cookie from before the last login may log out, but not end the others.
            guard user.isNewest else {
                return browser.redirect(
                    to: browser.path(.login, [("prompt", "login"), ("to", "account")]))
            }
            let cookie = Self.newCookie(of: user)
            guard
                let endedAt = try await end(
                    .others(user, cookie: cookie),
                    because: "logged out by the person, with all but one", user, context)
            else { return try answer(.failed(.overtaken), user, browser) }
            return try kept(user, cookie, .others, endedAt, isProven: false, browser)
        case "everywhere":
            let person = UserReference(user.user.id.description)
            let endedAt = try await end(
                .user(person), because: "logged out everywhere by the person", user, context)
            return endedAt == nil ? toLogin(browser) : try loggedOut(user, browser)
        case "password": return try await changePassword(form, user, browser, context)
        default: return browser.redirect(to: browser.path(.account))
        }
    }

    /// Ends one login of the person, perhaps this one. One that has ended is ended again: the first end
    /// may have been answered with 503, while a node still took the login for alive, and the answer here
    /// says that it is gone.
    private func endSession(
        _ form: Form, _ user: SessionUser, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        guard let id = form["id"].flatMap({ Identifier($0) }) else {
            return try answer(.failed(.gone), user, browser)
        }
        let read = try await services.store.session(id, by: context.deadline)
        guard read.session?.user == user.user.id,
            let endedAt = try await end(
                .session(id), because: "logged out by the person", user, context),
            Liveness.deathOfSession(read.session, user: read.user, at: read.readAt) == nil
        else { return try answer(.failed(.gone), user, browser) }
        return id == user.session.id
            ? try loggedOut(user, browser)
            : try answer(.session(id), endedAt: endedAt, user, browser)
    }

    /// Ends the access of one app: what it was allowed to keep, or has through a login. As with a
    /// login, one that has ended is ended again.
    private func endApp(
        _ form: Form, _ user: SessionUser, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        guard let id = form["id"].flatMap({ Identifier($0) }),
            let app = try await services.store.app(id, of: user.user.id, by: context.deadline),
            let endedAt = try await end(.grant(id), because: "ended by the person", user, context),
            app.death == nil
        else { return try answer(.failed(.gone), user, browser) }
        return try answer(.app(id), endedAt: endedAt, user, browser)
    }

    private func changePassword(
        _ form: Form, _ user: SessionUser, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        let new = Redacted(form["new_password"] ?? "")
        // By bytes: texts that look alike are different passwords.
        guard Array(new.value.utf8) == Array((form["new_password_again"] ?? "").utf8) else {
            return try answer(.failed(.differentPasswords), user, browser)
        }
        guard PasswordHash.problem(with: new) == nil else {
            return try answer(.failed(.unfitPassword), user, browser)
        }
        let attempt = PasswordAttempt(
            username: user.user.username, password: Redacted(form["current_password"] ?? ""))
        guard let verified = try await attempt.verified(browser, context, services) else {
            context.log.outcome = "wrong_password"
            return try answer(.failed(.wrongPassword), user, browser)
        }
        let claim = PasswordQueue.Claim(
            account: user.user.username, asker: .known(user.session.id))
        let hash = try await services.passwords.hash(new, for: claim, by: context.deadline)
        let cookie = Self.newCookie(of: user)
        // The password that was right is the one that is replaced.
        guard verified.id == user.user.id, verified.epoch == user.session.userEpoch,
            let endedAt = try await end(
                .ownPassword(user, hash, cookie: cookie),
                because: "password changed by the person", user, context)
        else { return try answer(.failed(.overtaken), user, browser) }
        return try kept(user, cookie, .password, endedAt, isProven: true, browser)
    }

    /// Ends something, and says when; nil where it was gone, or had changed since it was read.
    private func end(
        _ ending: TrustChange, because reason: String, _ user: SessionUser,
        _ context: DoornailContext
    ) async throws -> UnixTime? {
        do {
            let receipt = try await services.revoker.end(
                ending, because: Cause(reason: reason, by: .user(user.user.id)),
                by: context.deadline)
            context.log.outcome = "ended_\(ending.kind)"
            return receipt.endedAt
        } catch StoreError.missing {
            return nil
        }
    }

    // MARK: Answers

    private func toLogin(_ browser: Browser) -> Response {
        browser.redirect(to: browser.path(.login, [("to", "account")]))
    }

    private func answer(
        _ notice: AccountNotice, endedAt: UnixTime? = nil, _ user: SessionUser,
        _ browser: Browser, cookies: [HTTPField] = []
    ) throws(StoreError) -> Response {
        browser.redirect(
            to: browser.path(
                .account, try notice.parameters(user, browser, services.node, endedAt: endedAt)),
            cookies: cookies)
    }

    /// A cookie with another secret for the login that stays, so that a copy of the old one is dead.
    private static func newCookie(of user: SessionUser) -> SessionCookie {
        var random = SystemRandomNumberGenerator()
        return SessionCookie(session: user.session.id, using: &random)
    }

    /// The answer to the one browser that is still logged in, with its new cookie: the account knows
    /// it under the new epoch, too.
    /// - Parameter isProven: the password was given. Without it, only a browser that is known stays
    ///   so, since a known browser has more tries at the password.
    private func kept(
        _ user: SessionUser, _ cookie: SessionCookie, _ notice: AccountNotice,
        _ endedAt: UnixTime, isProven: Bool, _ browser: Browser
    ) throws(StoreError) -> Response {
        let device = try browser.knownDevice()
        let epoch = user.session.userEpoch
        var cookies = [browser.setting(cookie)]
        if isProven || device?.isKnown(to: user.user.id, epoch: epoch) == true {
            // The database has just done the same sum, without an overflow.
            cookies.append(
                try browser.settingKnownDevice(of: user.user.id, epoch: epoch + 1))
        }
        return try answer(notice, endedAt: endedAt, user, browser, cookies: cookies)
    }

    private func loggedOut(
        _ user: SessionUser, _ browser: Browser
    ) throws(StoreError) -> Response {
        browser.redirect(
            to: try browser.pathAfterLogout(of: user.session.id), cookies: browser.loggingOut)
    }
}
