import Cluster
import HTTPTypes
import Hummingbird
import OAuth
import Serving
import Storage

/// `/logout`: where a person ends the login of this browser (OpenID Connect RP-Initiated Logout).
///
/// "Logged out" is said only of a session that is known to have ended.
struct LogoutEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) async throws -> Response {
        let browser = Browser(request, context, services)
        let form = try await RequestForm.read(request)
        return request.method == .post
            ? try await end(form, browser, context)
            : try await show(form, mayEnd: request.method == .get, browser, context)
    }

    private func show(
        _ form: Form, mayEnd: Bool, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        context.language.uiLocales = form["ui_locales"]
        let login = try await browser.login()
        switch login.verdict {
        case .unknown:
            if let ticket = form["ended"], try await hasEnded(ticket, browser, context) {
                return browser.page(LoggedOutPage(browser.words))
            }
            return browser.page(NotLoggedInPage(browser.words))
        case .ended:
            try await confirmEnd(browser, context)
            if let hint = try await hint(form, context),
                hint.session == browser.sessionCookie?.session,
                let target = try await target(form, hint: hint, context)
            {
                return browser.redirect(
                    to: target.location, cookies: browser.loggingOut)
            }
            return browser.page(LoggedOutPage(browser.words))
        case .alive(let user):
            if mayEnd, let hint = try await hint(form, context), hint.session == user.session.id {
                // The app proves that it speaks for this very login: nobody is asked.
                return try await end(
                    user, target: target(form, hint: hint, context), browser, context)
            }
            let target = try await target(form, context)
            let kept = Self.parameters(form).map { Field($0.0, $0.1) }
            return browser.page(
                LogoutPage(
                    browser.words, action: browser.path(.logout),
                    hidden: [try browser.formToken(for: .logout).field()] + kept,
                    username: user.user.username, clientName: target?.client.registration.name,
                    formTargets: target.map { [$0.uri] } ?? []))
        }
    }

    private func end(
        _ form: Form, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        context.language.uiLocales = form["ui_locales"]
        guard try browser.formToken(for: .logout).isIn(form) else {
            context.log.outcome = "foreign_form"
            return browser.redirect(to: browser.path(.logout, Self.parameters(form)))
        }
        // Before anything ends, so that what fails here leaves all as it was.
        let target = try await target(form, context)
        let login = try await browser.login()
        if case .alive(let user) = login.verdict {
            return try await end(user, target: target, browser, context)
        }
        guard login.verdict != .unknown, let session = browser.sessionCookie?.session else {
            return browser.redirect(to: browser.path(.logout, browser.languageParameter))
        }
        try await confirmEnd(browser, context)
        return browser.redirect(
            to: try target?.location ?? browser.pathAfterLogout(of: session),
            cookies: browser.loggingOut)
    }

    private func end(
        _ user: SessionUser, target: Target?, _ browser: Browser, _ context: DoornailContext
    ) async throws -> Response {
        _ = try await services.revoker.end(
            .session(user.session.id),
            because: Cause(reason: "logged out", by: .user(user.user.id)),
            by: context.deadline)
        context.log.outcome = "logged_out"
        return browser.redirect(
            to: try target?.location ?? browser.pathAfterLogout(of: user.session.id),
            cookies: browser.loggingOut)
    }

    /// Ends a login again that has ended before. The first end may have been answered with 503, while a
    /// node still took the login for alive; "logged out" may be said only once it holds at every node.
    private func confirmEnd(
        _ browser: Browser, _ context: DoornailContext
    ) async throws(StoreError) {
        guard let session = browser.sessionCookie?.session else { return }
        do {
            _ = try await services.revoker.end(
                .session(session),
                because: Cause(reason: "logged out again", by: .session(session)),
                by: context.deadline)
        } catch .missing {
            // A login whose row is gone was over long ago.
            return
        }
    }

    /// What an `id_token_hint` proves. An expired one will do. One for another client, or for a client
    /// that was disabled or deleted, proves nothing: a person is asked then.
    private func hint(
        _ form: Form, _ context: DoornailContext
    ) async throws(StoreError) -> IDTokenHint? {
        guard let text = form["id_token_hint"],
            let hint = await (try services.node.signingKeys())
                .hint(text, issuer: services.issuer.text)
        else { return nil }
        if let clientID = form["client_id"], Array(clientID.utf8) != Array(hint.clientID.utf8) {
            return nil
        }
        let client = try await services.node.client(hint.clientID, by: context.deadline).client
        return client?.isDisabled == false ? hint : nil
    }

    // MARK: Where to go after

    private struct Target {
        let client: Client
        let uri: String
        let location: String
    }

    /// The registered URI of the client that is named; without one, or with any other, the browser
    /// stays here.
    private func target(
        _ form: Form, hint: IDTokenHint? = nil, _ context: DoornailContext
    ) async throws(StoreError) -> Target? {
        guard let clientID = hint?.clientID ?? form["client_id"],
            let uri = form["post_logout_redirect_uri"]
        else {
            return nil
        }
        let read = try await services.node.client(clientID, by: context.deadline)
        guard let client = read.client, !client.isDisabled,
            let registered = RedirectURI(
                uri, registered: client.registration.postLogoutRedirectURIs)
        else { return nil }
        let state = form["state"].map { [("state", $0)] } ?? []
        return Target(
            client: client, uri: registered.text,
            location: state.isEmpty ? registered.text : registered.adding(state))
    }

    private static func parameters(_ form: Form) -> [(String, String)] {
        ["client_id", "post_logout_redirect_uri", "state", "id_token_hint", "ui_locales"]
            .compactMap { name in form[name].map { (name, $0) } }
    }

    // MARK: What has ended

    private func hasEnded(
        _ ticket: String, _ browser: Browser, _ context: DoornailContext
    ) async throws(StoreError) -> Bool {
        guard let id = try browser.session(in: ticket) else { return false }
        let read = try await services.store.session(id, by: context.deadline)
        let death = Liveness.deathOfSession(read.session, user: read.user, at: read.readAt)
        return death != nil && death != .sessionMissing
    }
}
