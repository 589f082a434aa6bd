import Cluster
import HTTPTypes
import Hummingbird
import NIOCore
import OAuth
import Serving
import Storage

/// The browser that a page's request came from: its cookies, and what they prove.
struct Browser: Sendable {
    let isSecure: Bool
    private let cookies: Cookies
    private let services: Services
    private let context: DoornailContext
    private let userAgent: String?
    private let request: Request
    /// Ties forms to this browser; new where the browser has none yet.
    let nonce: String
    private let isNew: Bool

    init(_ request: Request, _ context: DoornailContext, _ services: Services) {
        self.services = services
        self.context = context
        self.request = request
        isSecure = services.issuer.isSecure
        cookies = Cookies(request)
        userAgent = request.headers[.userAgent].map {
            String(decoding: $0.utf8.prefix(Limits.userAgentBytes), as: UTF8.self)
        }
        let kept = cookies[BrowserCookie.form.name(isSecure: isSecure)]
            .flatMap { Base64.decodeURL($0.utf8)?.count == 16 ? $0 : nil }
        isNew = kept == nil
        nonce = kept ?? Base64.encodeURL((0..<16).map { _ in UInt8.random(in: .min ... .max) })
    }

    var origin: Origin {
        Origin(userAgent: userAgent, address: context.clientAddress.description)
    }

    /// In the language of whoever sits before it, once `ui_locales` has been read.
    var words: Words { context.language.words(for: request) }

    /// `ui_locales`, for a page of ours that says more of the same.
    var languageParameter: [(String, String)] {
        context.language.uiLocales.map { [("ui_locales", $0)] } ?? []
    }

    // MARK: Its login

    /// What the session's cookie says; nil without one.
    var sessionCookie: SessionCookie? {
        cookies[BrowserCookie.session.name(isSecure: isSecure)].flatMap(SessionCookie.init)
    }

    /// A login as its cookie and the database say it.
    struct Login: Sendable {
        let verdict: SessionUser.Verdict
        /// The person's display name.
        let name: String?
        /// What the person allowed the client that was asked about.
        let consent: Scope?
        let readAt: UnixTime

        var user: SessionUser? {
            if case .alive(let user) = verdict { user } else { nil }
        }
    }

    /// Reads the login of this browser. A use of one that is alive is written down now and then.
    func login(consentTo client: Identifier? = nil) async throws(StoreError) -> Login {
        guard let cookie = sessionCookie else {
            return Login(
                verdict: .unknown, name: nil, consent: nil,
                readAt: try await services.store.ping())
        }
        let read = try await services.store.session(
            cookie.session, consentTo: client, by: context.deadline)
        let verdict = SessionUser.verify(
            cookie, session: read.session, secrets: read.secrets, user: read.user,
            at: read.readAt)
        let idleSeconds = services.lifetimes.session.idleSeconds
        if case .alive(let login) = verdict {
            context.log.sid = login.session.id.description
            // The newest cookie has arrived: the one before it has had its time.
            let isNewest = login.isNewest && read.secrets?.previous != nil
            if isNewest || login.session.isUseDue(at: read.readAt, idleSeconds: idleSeconds) {
                try await services.store.useSession(
                    login.session.id, from: origin, idleSeconds: idleSeconds,
                    with: isNewest ? cookie : nil, by: context.deadline)
            }
        }
        return Login(
            verdict: verdict, name: read.name, consent: read.consent, readAt: read.readAt)
    }

    // MARK: The account it knows

    /// A browser that once logged in to an account.
    struct Device: Sendable {
        let id: Identifier
        let user: Identifier
        /// The user's epoch then: another password, and the browser is a stranger again.
        let epoch: Int64
    }

    func device() throws(StoreError) -> Device? {
        guard let text = cookies[BrowserCookie.device.name(isSecure: isSecure)],
            let payload = try services.node.unseal(text, for: .device)
        else { return nil }
        var reader = PayloadReader(payload[...])
        guard let id = reader.identifier(), let user = reader.identifier(),
            let epoch = reader.integer(), reader.isAtEnd
        else { return nil }
        return Device(id: id, user: user, epoch: Int64(bitPattern: epoch))
    }

    /// The cookie of a browser in which the account's password was right, for the epoch from then
    /// on. A browser that the account knows already keeps its counter.
    func deviceCookie(
        of user: Identifier, epoch: Int64
    ) throws(StoreError) -> HTTPField {
        var random = SystemRandomNumberGenerator()
        let known = try device()
        let device = Device(
            id: known.flatMap { $0.user == user ? $0.id : nil }
                ?? Identifier(milliseconds: 0, using: &random),
            user: user, epoch: epoch)
        var writer = PayloadWriter()
        writer.append(device.id)
        writer.append(device.user)
        writer.append(UInt64(bitPattern: device.epoch))
        return BrowserCookie.device.set(
            try services.node.seal(writer.bytes, for: .device), isSecure: isSecure)
    }

    // MARK: Forms

    /// What a form carries to prove that it is ours: made for this browser, as it is logged in now,
    /// and for one endpoint.
    func formToken(for route: Route) throws(StoreError) -> String {
        try services.node.seal(binding(to: route), for: .form).value
    }

    /// Whether a form that was sent is one of ours.
    func isOurs(_ form: Form, of route: Route) throws(StoreError) -> Bool {
        guard !isNew, let token = form["form_token"],
            let payload = try services.node.unseal(token, for: .form)
        else { return false }
        return constantTimeEqual(payload, binding(to: route))
    }

    private func binding(to route: Route) -> [UInt8] {
        let login = cookies[BrowserCookie.session.name(isSecure: isSecure)] ?? ""
        return digest("\(route.rawValue) \(nonce) \(login)")
    }

    /// The form that a page sent.
    static func form(_ request: Request) async throws -> Form {
        let isEmpty = request.headers[.contentType] == nil && request.headers[.contentLength] == "0"
        guard isEmpty || Form.isForm(contentType: request.headers[.contentType]) else {
            throw HTTPRefusal.notAForm
        }
        return try Form(parsing: await body(request).readableBytesView)
    }

    static func body(_ request: Request) async throws -> ByteBuffer {
        do {
            return try await request.body.collect(upTo: HTTPLimits.bodyBytes)
        } catch is NIOTooManyBytesError {
            throw HTTPRefusal(
                .contentTooLarge, "the body is larger than \(HTTPLimits.bodyBytes) bytes")
        }
    }

    // MARK: Answers

    /// A page, and the cookie that its form will need.
    func page(_ page: some Page, status: HTTPResponse.Status = .ok) -> Response {
        var response = Answer.page(services.pages.render(page), status: status)
        if isNew {
            response.headers.append(BrowserCookie.form.set(Redacted(nonce), isSecure: isSecure))
        }
        return response
    }

    /// Sends the browser on with GET, whatever it came with (RFC 9700 §4.12).
    func redirect(to location: String, cookies: [HTTPField] = []) -> Response {
        var response = Answer.redirect(to: location)
        for cookie in cookies { response.headers.append(cookie) }
        if isNew {
            response.headers.append(BrowserCookie.form.set(Redacted(nonce), isSecure: isSecure))
        }
        return response
    }

    /// A path of ours with parameters.
    func path(_ route: Route, _ parameters: [(String, String)] = []) -> String {
        let path = services.issuer.text + route.rawValue
        return parameters.isEmpty ? path : path + "?" + Form.encode(parameters)
    }
}
