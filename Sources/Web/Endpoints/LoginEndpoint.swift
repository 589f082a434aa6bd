import Cluster
import HTTPTypes
import Hummingbird
import Metrics
import OAuth
import Storage

/// `/login`: where a person proves who it is.
struct LoginEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) async throws -> Response {
        let browser = Browser(request, context, services)
        return request.method == .post
            ? try await logIn(Browser.form(request), browser, context)
            : try await show(Form(parsing: (request.uri.query ?? "").utf8), browser, context)
    }

    private func show(
        _ form: Form, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        var flow: AuthorizationFlow?
        if let text = form["continue"] {
            flow = try await AuthorizationFlow(
                query: AuthorizationFlow.query(continuing: text), context, services)
        } else if form["prompt"] == nil {
            let login = try await browser.login()
            if let user = login.user {
                return browser.page(
                    SignedInPage(
                        username: user.user.username, name: login.name,
                        logoutURL: browser.path(.logout),
                        switchAccountURL: browser.path(.login, [("prompt", "login")])))
            }
        }
        var hidden = [Field("form_token", try browser.formToken(for: .login))]
        if let text = form["continue"] { hidden.append(Field("continue", text)) }
        return browser.page(
            LoginPage(
                action: browser.path(.login), hidden: hidden,
                username: flow?.request.loginHint ?? form["login_hint"] ?? "",
                clientName: flow?.request.client.name,
                alert: form["failed"] == nil
                    ? nil : "That user name and that password do not belong together. Try again.",
                formTargets: flow.map { [$0.request.address.redirectURI.text] } ?? []))
    }

    private func logIn(
        _ form: Form, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        let onward = try form["continue"].map(AuthorizationFlow.query(continuing:))
        // What was typed stays out of URLs: people type passwords into the wrong field.
        let again = form["continue"].map { [("continue", $0)] } ?? []
        guard try browser.isOurs(form, of: .login) else {
            context.log.outcome = "foreign_form"
            return browser.redirect(to: browser.path(.login, again))
        }
        guard let user = try await verified(form, browser, context) else {
            context.log.outcome = "wrong_password"
            Self.count("refused")
            return browser.redirect(to: browser.path(.login, again + [("failed", "1")]))
        }
        let cookies = try await begin(user, browser, context)
        context.log.outcome = "logged_in"
        Self.count("logged_in")
        return browser.redirect(
            to: onward.map { browser.path(.authorize) + "?" + $0 } ?? browser.path(.login),
            cookies: cookies)
    }

    private static func count(_ outcome: String) {
        Counter(label: "doornail_logins_total", dimensions: [("outcome", outcome)]).increment()
    }

    /// The person whose password was right; nil where it was wrong.
    ///
    /// An attempt is counted before the password is examined, so that many at once do not slip
    /// through, and taken back if it was right.
    private func verified(
        _ form: Form, _ browser: Browser, _ context: DoornailContext
    ) async throws -> VerifiedUser? {
        let typed = form["username"] ?? ""
        var user: UserRead?
        var name = typed
        if let username = Username(typed) {
            (user, name) = try await services.store.user(username, by: context.deadline)
        }
        let device = try browser.device()
        let isKnown = user != nil && device?.user == user?.id && device?.epoch == user?.epoch
        let throttles = try throttles(for: name, isKnown ? device : nil, context)
        for throttle in throttles {
            if let refusal = try await services.store.countFailure(throttle, by: context.deadline) {
                Self.count("throttled")
                throw refusal
            }
        }
        let verified: VerifiedUser?
        do {
            verified = try await services.passwords.verify(
                user, password: Redacted(form["password"] ?? ""), isKnown: isKnown,
                by: context.deadline)
        } catch {
            // It was not examined, so it was not wrong.
            try await services.store.takeBack(throttles, by: context.deadline)
            throw error
        }
        if verified != nil {
            try await services.store.takeBack(throttles, by: context.deadline)
        }
        return verified
    }

    /// What an attempt counts against. A browser that the account knows has a counter of its own,
    /// and strangers fill the others in vain.
    private func throttles(
        for name: String, _ known: Browser.Device?, _ context: DoornailContext
    ) throws(StoreError) -> [Throttle] {
        if let known { return [.device(known.id)] }
        return [
            .loginAddress(network: context.clientAddress.throttleNetwork),
            .accountName(hash: try services.node.keyedHash(name, for: .throttle)),
        ]
    }

    /// Begins the login: the same session with a new secret where this person was logged in here,
    /// else a new session, once another person's has ended.
    private func begin(
        _ user: VerifiedUser, _ browser: Browser, _ context: DoornailContext
    ) async throws -> [HTTPField] {
        var random = SystemRandomNumberGenerator()
        let before = try await browser.login()
        var cookie: SessionCookie?
        if let present = before.user {
            if present.user.id == user.id {
                let renewed = SessionCookie(session: present.session.id, using: &random)
                if let presented = browser.sessionCookie,
                    try await services.store.renewSession(
                        renewed, replacing: presented, of: user, from: browser.origin,
                        lasting: services.lifetimes.session,
                        by: context.deadline)
                {
                    cookie = renewed
                }
            } else {
                _ = try await services.revoker.end(
                    .session(present.session.id),
                    because: Cause(
                        reason: "another person logged in here", actor: "user:\(user.id)"),
                    by: context.deadline)
            }
        }
        if cookie == nil {
            let new = SessionCookie(
                session: Identifier(
                    milliseconds: UInt64(clamping: before.readAt.seconds) &* 1000, using: &random),
                using: &random)
            try await services.store.beginSession(
                new, of: user, from: browser.origin, lasting: services.lifetimes.session,
                by: context.deadline)
            cookie = new
        }
        guard let cookie else { return [] }
        context.log.sid = cookie.session.description
        let known = try browser.device()
        let device = Browser.Device(
            id: known.flatMap { $0.user == user.id ? $0.id : nil }
                ?? Identifier(milliseconds: 0, using: &random),
            user: user.id, epoch: user.epoch)
        return [
            BrowserCookie.session.set(
                cookie.text, isSecure: browser.isSecure,
                maxAgeSeconds: services.lifetimes.session.maximumSeconds),
            try browser.cookie(for: device),
        ]
    }
}
