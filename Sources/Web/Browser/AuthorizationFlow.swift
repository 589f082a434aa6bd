import Cluster
import HTTPTypes
import Hummingbird
import OAuth
import Serving
import Storage

/// An authorization request on its way through login and consent.
///
/// Nothing about it is stored: each page passes its query on to the next one, which checks it anew. So
/// a page that was left open for days does no harm.
struct AuthorizationFlow: Sendable {
    let request: AuthorizationRequest
    /// The key ids that were not retired when the client was read.
    private let unretiredKeyIDs: Set<UInt8>
    /// The request's parameters as they came, without our ticket.
    private let query: String
    private let ticket: String?
    private let services: Services
    private let context: DoornailContext

    private static let ticketMark = "&doornail_ticket="

    /// Reads a request. What is thrown is for a page (`OAuthError`), or for the client
    /// (`AuthorizationRequest.Refusal`).
    init(query given: String, _ context: DoornailContext, _ services: Services) async throws {
        self.services = services
        self.context = context
        guard given.utf8.count <= Limits.authorizationRequestBytes else {
            throw OAuthError(.tooLong)
        }
        var repeated: Set<String> = []
        let form = try Form(parsing: given.utf8, repeated: &repeated)
        context.language.uiLocales = form["ui_locales"]
        // Where these are in doubt, nobody knows where a redirect may go: the refusal is a page.
        if let name = ["client_id", "redirect_uri"].first(where: repeated.contains) {
            throw OAuthError(.repeated(parameter: name))
        }
        let read = try await services.node.client(
            try form.required("client_id"), by: context.deadline)
        context.log.clientID = read.client?.clientID
        let (address, isSent) = try AuthorizationRequest.address(form, client: read.client)
        guard let client = read.client else {
            throw OAuthError(.unknownClient)
        }
        request = try AuthorizationRequest(
            form, repeated: repeated, client: client, address: address,
            isRedirectURISent: isSent)
        unretiredKeyIDs = read.unretiredKeyIDs
        let parts = Self.split(given)
        query = parts.query
        ticket = parts.ticket
    }

    /// Parts a query from our ticket, which stands at its end.
    private static func split(_ given: String) -> (query: String, ticket: String?) {
        let bytes = Array(given.utf8)
        let mark = Array(ticketMark.utf8)
        guard bytes.count > mark.count else { return (given, nil) }
        for start in stride(from: bytes.count - mark.count, through: 0, by: -1)
        where bytes[start..<(start + mark.count)].elementsEqual(mark) {
            return (
                String(decoding: bytes[..<start], as: UTF8.self),
                String(decoding: bytes[(start + mark.count)...], as: UTF8.self)
            )
        }
        return (given, nil)
    }

    /// What comes next for the login that the browser has.
    func step(
        _ login: BrowserLogin, _ browser: Browser
    ) throws(StoreError) -> AuthorizationRequest.Step {
        request.step(
            AuthorizationRequest.Facts(
                login: login.user, isFreshLogin: try isFresh(login, browser),
                remembered: login.consent,
                now: login.readAt))
    }

    // MARK: The ticket

    /// Whether the login was made in this browser since this very request asked for one: its ticket
    /// names the login that the browser had then.
    private func isFresh(
        _ login: BrowserLogin, _ browser: Browser
    ) throws(StoreError) -> Bool {
        guard let ticket, let user = login.user,
            let payload = try services.node.unseal(ticket, for: .loginTicket)
        else { return false }
        var reader = PayloadReader(payload[...])
        guard let seconds = reader.integer(), payload.count == 40 else { return false }
        let issuedAt = UnixTime(seconds: Int64(bitPattern: seconds))
        return issuedAt <= login.readAt
            && login.readAt <= issuedAt.adding(seconds: Limits.pageSeconds)
            && user.session.authenticatedAt >= issuedAt
            && constantTimeEqual(payload[8..<24], binding(to: browser))
            && !constantTimeEqual(payload[24..<40], digest(user.secretHash).prefix(16))
    }

    /// What ties a ticket to the request and the browser.
    private func binding(to browser: Browser) -> ArraySlice<UInt8> {
        digest("\(browser.nonce) \(query)").prefix(16)
    }

    /// The parameters with which `/login` and `/consent` come back to this request.
    private func continuation(
        _ login: BrowserLogin, _ browser: Browser, asking: Bool
    ) throws(StoreError) -> String {
        guard asking else { return Base64.encodeURL((query + (ticketPart ?? "")).utf8) }
        var writer = PayloadWriter()
        writer.append(UInt64(bitPattern: login.readAt.seconds))
        let payload =
            writer.bytes + binding(to: browser)
            + digest(login.user?.secretHash ?? []).prefix(16)
        let ticket = try services.node.seal(payload, for: .loginTicket)
        return Base64.encodeURL((query + Self.ticketMark + ticket.value).utf8)
    }

    private var ticketPart: String? { ticket.map { Self.ticketMark + $0 } }

    /// The query that a `continue` parameter stands for; pages are in the language it asks for.
    static func query(
        continuing text: String, _ context: DoornailContext
    ) throws(OAuthError) -> String {
        guard let bytes = Base64.decodeURL(text.utf8),
            let query = String(validating: bytes, as: UTF8.self), isSafe(query)
        else { throw OAuthError(.damagedLink) }
        var repeated: Set<String> = []
        let form = try? Form(parsing: query.utf8, repeated: &repeated)
        context.language.uiLocales = form?["ui_locales"]
        return query
    }

    /// Whether a query can stand in a Location header as it is.
    static func isSafe(_ query: String) -> Bool {
        query.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }
    }

    // MARK: Answers

    func toLogin(_ login: BrowserLogin, _ browser: Browser) throws(StoreError) -> Response {
        browser.redirect(
            to: browser.path(
                .login, [("continue", try continuation(login, browser, asking: true))]))
    }

    func toConsent(_ login: BrowserLogin, _ browser: Browser) throws(StoreError) -> Response {
        browser.redirect(
            to: browser.path(
                .consent, [("continue", try continuation(login, browser, asking: false))]))
    }

    /// Sends the browser back to the client with a code.
    /// - Parameter now: when the login was read.
    func issue(
        to login: SessionUser, at now: UnixTime, _ browser: Browser
    ) async throws -> Response {
        var random = SystemRandomNumberGenerator()
        let id = Identifier(milliseconds: UInt64(clamping: now.seconds) &* 1000, using: &random)
        let code = AuthorizationCode(
            id: id, keyID: try services.node.signingKeyID(unretired: unretiredKeyIDs))
        try await services.store.issueCode(
            CodeIssue(id: id, request: request, login: login), by: context.deadline)
        guard let sealed = try services.node.codec().seal(code) else {
            throw StoreError.unavailable("the signing secret changed; ask again")
        }
        context.log.outcome = "code"
        return Self.answer([("code", sealed.value)], to: request.address, browser.words, services)
    }

    /// Sends the browser back to the client, with an answer or a refusal.
    static func answer(
        _ answer: [(String, String)], to address: AuthorizationRequest.ReturnAddress,
        _ words: Words, _ services: Services
    ) -> Response {
        let parameters = address.parameters(answer, issuer: services.issuer.text)
        switch address.mode {
        case .query:
            return Answer.redirect(to: address.redirectURI.adding(parameters))
        case .formPost:
            let page = FormPostPage(
                words, action: address.redirectURI.text,
                fields: parameters.map { Field($0.0, $0.1) })
            return Answer.page(services.pages.render(page))
        }
    }
}
