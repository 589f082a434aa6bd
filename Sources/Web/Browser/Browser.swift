import HTTPTypes
import Hummingbird
import OAuth
import Serving
import Storage

/// The browser that a page's request came from, and how it is answered.
///
/// What its cookies prove has files of its own: ``BrowserLogin``, ``FormToken``, ``KnownDevice``.
struct Browser: Sendable {
    let services: Services
    let context: DoornailContext
    private let isSecure: Bool
    private let cookies: Cookies
    private let userAgent: String?
    private let request: Request
    /// A random number of this browser, that forms and tickets are bound to.
    let nonce: String
    /// Whether the browser had no such number before: the answer brings its cookie.
    let isNew: Bool

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

    // MARK: Its cookies

    /// What a cookie of ours holds; nil where the browser has none.
    func value(of cookie: BrowserCookie) -> String? {
        cookies[cookie.name(isSecure: isSecure)]
    }

    /// The header that gives the browser a cookie.
    /// - Parameter maxAgeSeconds: how long the browser keeps it; nil: as long as such cookies are kept.
    func setting(
        _ cookie: BrowserCookie, to value: Redacted<String>, maxAgeSeconds: Int64? = nil
    ) -> HTTPField {
        cookie.set(value, isSecure: isSecure, maxAgeSeconds: maxAgeSeconds)
    }

    // MARK: Answers

    /// A page, and the cookie that its form will need.
    func page(_ page: some Page, status: HTTPResponse.Status = .ok) -> Response {
        keepingNonce(Answer.page(services.pages.render(page), status: status))
    }

    /// Sends the browser on with GET, whatever it came with (RFC 9700 §4.12).
    func redirect(to location: String, cookies: [HTTPField] = []) -> Response {
        var response = Answer.redirect(to: location)
        for cookie in cookies { response.headers.append(cookie) }
        return keepingNonce(response)
    }

    private func keepingNonce(_ response: Response) -> Response {
        guard isNew else { return response }
        var response = response
        response.headers.append(setting(.form, to: Redacted(nonce)))
        return response
    }

    /// A path of ours with parameters.
    func path(_ route: Route, _ parameters: [(String, String)] = []) -> String {
        let path = services.issuer.text + route.rawValue
        return parameters.isEmpty ? path : path + "?" + Form.encode(parameters)
    }
}
