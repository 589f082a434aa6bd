import Cluster
import HTTPTypes
import Hummingbird
import Metrics
import OAuth
import Serving
import Storage

/// `/login`: where a person proves who they are.
struct LoginEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) async throws -> Response {
        let browser = Browser(request, context, services)
        let form = try await RequestForm.read(request)
        return request.method == .post
            ? try await logIn(form, browser, context) : try await show(form, browser, context)
    }

    private func show(
        _ form: Form, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        var flow: AuthorizationFlow?
        if let text = form["continue"] {
            flow = try await AuthorizationFlow(
                query: AuthorizationFlow.query(continuing: text, context), context, services)
        } else if ["prompt", "failed", "full"].allSatisfy({ form[$0] == nil }) {
            let login = try await browser.login()
            if let user = login.user {
                if Self.leadsToAccount(form) {
                    return browser.redirect(to: browser.path(.account))
                }
                return browser.page(
                    SignedInPage(
                        browser.words, username: user.user.username, name: login.name,
                        accountURL: browser.path(.account), logoutURL: browser.path(.logout),
                        switchAccountURL: browser.path(.login, [("prompt", "login")])))
            }
        }
        let isFull = form["full"] != nil
        var hidden = [try browser.formToken(for: .login).field()]
        hidden += Self.onward(form).map { Field($0.0, $0.1) }
        if isFull { hidden.append(Field("oldest", "end")) }
        let words = browser.words
        return browser.page(
            LoginPage(
                words, action: browser.path(.login), hidden: hidden,
                username: flow?.request.loginHint ?? form["login_hint"] ?? "",
                clientName: flow?.request.client.registration.name,
                alert: form["failed"] != nil
                    ? words.login.mismatch
                    : isFull ? words.login.full(Limits.sessionsPerUser) : nil,
                formTargets: flow.map { [$0.request.address.redirectURI.text] } ?? []))
    }

    private func logIn(
        _ form: Form, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        let onward = try form["continue"].map {
            try AuthorizationFlow.query(continuing: $0, context)
        }
        // What was typed stays out of URLs: people type passwords into the wrong field.
        let again = Self.onward(form)
        guard try browser.formToken(for: .login).isIn(form) else {
            context.log.outcome = "foreign_form"
            return browser.redirect(to: browser.path(.login, again))
        }
        let attempt = PasswordAttempt(
            username: form["username"] ?? "", password: Redacted(form["password"] ?? ""))
        guard let user = try await attempt.verified(browser, context, services) else {
            context.log.outcome = "wrong_password"
            let offer = form["oldest"] == "end" ? [("full", "1")] : []
            return browser.redirect(to: browser.path(.login, again + offer + [("failed", "1")]))
        }
        let before = try await browser.login()
        let login: CompletedLogin
        switch LoginProgress(user).step(LoginPolicy(), at: before.readAt) {
        case .ask(.password): return browser.redirect(to: browser.path(.login, again))
        case .done(let completed): login = completed
        }
        guard
            let cookies = try await begin(
                login, endingOldest: form["oldest"] == "end", before: before, browser, context)
        else {
            context.log.outcome = "too_many_logins"
            return browser.redirect(to: browser.path(.login, again + [("full", "1")]))
        }
        context.log.outcome = "logged_in"
        Counter(label: "doornail_logins_total", dimensions: [("outcome", "logged_in")]).increment()
        return browser.redirect(
            to: onward.map { browser.path(.authorize) + "?" + $0 }
                ?? browser.path(Self.leadsToAccount(form) ? .account : .login),
            cookies: cookies)
    }

    /// What the form keeps of where the login leads: to an app, or by a fixed word to `/account`.
    /// No address is ever taken from a parameter.
    private static func onward(_ form: Form) -> [(String, String)] {
        if let text = form["continue"] { return [("continue", text)] }
        return leadsToAccount(form) ? [("to", "account")] : []
    }

    private static func leadsToAccount(_ form: Form) -> Bool {
        form["continue"] == nil && form["to"] == "account"
    }

    /// Begins the login, and returns its cookies; nil where the person has as many logins as may be. If
    /// the person is logged in here, the same session goes on with a new secret. Otherwise a new session
    /// begins, and that of another person in this browser ends.
    /// - Parameter endingOldest: if there are too many, ends the least recently used one. The person was
    ///   told so.
    private func begin(
        _ login: CompletedLogin, endingOldest: Bool, before: BrowserLogin, _ browser: Browser,
        _ context: DoornailContext
    ) async throws -> [HTTPField]? {
        var random = SystemRandomNumberGenerator()
        var cookie: SessionCookie?
        if let present = before.user {
            if present.user.id == login.id {
                let renewed = SessionCookie(session: present.session.id, using: &random)
                if let presented = browser.sessionCookie,
                    try await services.store.renewSession(
                        renewed, replacing: presented, of: login, from: browser.origin,
                        lasting: services.lifetimes.session,
                        by: context.deadline)
                {
                    cookie = renewed
                }
            }
        }
        if cookie == nil {
            let new = SessionCookie(
                session: Identifier(
                    milliseconds: UInt64(clamping: before.readAt.seconds) &* 1000, using: &random),
                using: &random)
            func tryToBegin() async throws(StoreError) -> SessionBeginning {
                try await services.store.beginSession(
                    new, of: login, from: browser.origin, lasting: services.lifetimes.session,
                    by: context.deadline)
            }
            var beginning = try await tryToBegin()
            if case .full(let oldest) = beginning, endingOldest {
                _ = try await services.revoker.end(
                    .session(oldest),
                    because: Cause(
                        reason: "logged out by the person, to log in elsewhere",
                        by: .user(login.id)),
                    by: context.deadline)
                beginning = try await tryToBegin()
            }
            guard case .begun = beginning else { return nil }
            // If this fails, the answer is an error, and the browser gets no cookie of the new session.
            if let present = before.user, present.user.id != login.id {
                _ = try await services.revoker.end(
                    .session(present.session.id),
                    because: Cause(
                        reason: "another person logged in here", by: .user(login.id)),
                    by: context.deadline)
            }
            cookie = new
        }
        guard let cookie else { return nil }
        context.log.sid = cookie.session.description
        return [
            browser.setting(cookie),
            try browser.settingKnownDevice(of: login.id, epoch: login.epoch),
        ]
    }
}
