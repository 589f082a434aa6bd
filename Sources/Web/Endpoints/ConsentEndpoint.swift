import Cluster
import HTTPTypes
import Hummingbird
import OAuth
import Serving
import Storage

/// `/consent`: where a person allows an application what it asks for.
struct ConsentEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) async throws -> Response {
        let browser = Browser(request, context, services)
        let form = try await RequestForm.read(request)
        let text = try form.required("continue")
        let query = try AuthorizationFlow.query(continuing: text, context)
        let flow = try await AuthorizationFlow(query: query, context, services)
        let login = try await browser.login(consentTo: flow.request.client.id)
        let step = try flow.step(login, browser)
        if case .refuse(let refusal) = step { throw refusal }
        guard let user = login.user, step != .login else {
            return try flow.toLogin(login, browser)
        }
        if request.method == .post, try browser.formToken(for: .consent).isIn(form) {
            switch form["decision"] {
            case "allow":
                return try await allow(flow, user, at: login.readAt, browser, context)
            case "deny":
                context.log.outcome = "access_denied"
                throw flow.request.refusal(.accessDenied, "the person did not allow it")
            default: break
            }
        }
        if request.method == .post {
            return browser.redirect(to: browser.path(.consent, [("continue", text)]))
        }
        guard step == .consent else {
            return browser.redirect(to: browser.path(.authorize) + "?" + query)
        }
        return browser.page(try page(flow.request, user, text, browser))
    }

    private func allow(
        _ flow: AuthorizationFlow, _ user: SessionUser, at now: UnixTime, _ browser: Browser,
        _ context: DoornailContext
    ) async throws -> Response {
        let client = flow.request.client
        // A public client asks each time: there is nothing to remember.
        if !client.isPublic {
            try await services.store.rememberConsent(
                of: user.user.id, to: client.id, scope: flow.request.scope, by: context.deadline)
        }
        return try await flow.issue(to: user, at: now, browser)
    }

    private func page(
        _ request: AuthorizationRequest, _ user: SessionUser, _ text: String, _ browser: Browser
    ) throws(StoreError) -> ConsentPage {
        let words = browser.words
        return ConsentPage(
            words, action: browser.path(.consent),
            hidden: [
                try browser.formToken(for: .consent).field(), Field("continue", text),
            ],
            clientName: request.client.registration.name, clientID: request.client.clientID,
            redirectHost: request.address.redirectURI.destination, username: user.user.username,
            scopes: request.scope.tokens.map { ScopeText($0, in: words) },
            isOffline: request.isOffline,
            switchAccountURL: browser.path(.login, [("continue", text)]),
            formTargets: [request.address.redirectURI.text])
    }
}
