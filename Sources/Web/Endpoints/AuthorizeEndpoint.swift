import Cluster
import HTTPTypes
import Hummingbird
import OAuth
import Storage

/// `/authorize`: where a client sends a person's browser (RFC 6749 §4.1.1).
struct AuthorizeEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) async throws -> Response {
        let browser = Browser(request, context, services)
        if request.method == .post {
            // Browsers send no cookie with another site's POST; with the GET that follows they do.
            let query = try await Self.query(posted: request)
            return browser.redirect(to: browser.path(.authorize) + "?" + query)
        }
        let flow = try await AuthorizationFlow(
            query: request.uri.query ?? "", context, services)
        let login = try await browser.login(consentTo: flow.request.client.id)
        switch try flow.step(login, browser) {
        case .login: return try flow.toLogin(login, browser)
        case .consent: return try flow.toConsent(login, browser)
        case .refuse(let refusal): throw refusal
        case .issue:
            guard let user = login.user else { return try flow.toLogin(login, browser) }
            return try await flow.issue(to: user, at: login.readAt, browser)
        }
    }

    private static func query(posted request: Request) async throws -> String {
        try RequestForm.requireType(of: request)
        let body = try await RequestForm.body(of: request)
        // Some clients leave the parameters in the URL.
        if body.readableBytes == 0, let query = request.uri.query { return query }
        guard body.readableBytes <= Limits.authorizationRequestBytes else {
            throw OAuthError(.tooLong)
        }
        guard let query = String(validating: body.readableBytesView, as: UTF8.self),
            AuthorizationFlow.isSafe(query)
        else { throw OAuthError(.notAForm) }
        return query
    }
}
