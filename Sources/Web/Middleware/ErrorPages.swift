import HTTPTypes
import Hummingbird
import OAuth

/// Errors for people, in their language; the code is the protocol's.
struct ErrorPages: Sendable {
    private let renderer: PageRenderer

    init(_ renderer: PageRenderer) {
        self.renderer = renderer
    }

    /// - Parameters:
    ///   - reason: what is known to be wrong with the request
    ///   - isCrowded: more passwords came at once than are examined
    func answer(
        _ status: HTTPResponse.Status, code: String, reason: OAuthError.Reason? = nil,
        retrySeconds: Int? = nil, isCrowded: Bool = false, headers: HTTPFields = [:],
        to request: Request, _ context: DoornailContext
    ) -> Response {
        let words = context.language.words(for: request)
        let page = ErrorPage(
            words, status: Int(status.code), heading: Self.heading(status, words.failure),
            explanation: reason.map(words.failure.reason)
                ?? (isCrowded ? words.failure.crowded : Self.explanation(status, words.failure)),
            code: code, requestID: context.requestID, retrySeconds: retrySeconds)
        var response = Answer.page(renderer.render(page), status: status)
        for field in headers where field.name != .wwwAuthenticate {
            response.headers.append(field)
        }
        return response
    }

    /// Whether a browser asks, with a person before it: programs ask for anything, or JSON.
    static func isWanted(by request: Request) -> Bool {
        request.headers[.accept]?.utf8.starts(with: "text/html".utf8) == true
    }

    private static func heading(
        _ status: HTTPResponse.Status, _ words: Words.Failure
    ) -> HTML {
        switch status {
        case .notFound: words.notFound
        case .tooManyRequests: words.tooManyTries
        case .serviceUnavailable: words.notNow
        case .internalServerError: words.wentWrong
        default: words.refused
        }
    }

    private static func explanation(
        _ status: HTTPResponse.Status, _ words: Words.Failure
    ) -> HTML {
        switch status {
        case .notFound: words.nothingHere
        case .unsupportedMediaType: words.notAForm
        case .contentTooLarge: words.bodyTooLarge
        case .tooManyRequests: words.tooManyLogins
        case .serviceUnavailable: words.unavailable
        case .internalServerError: words.serverError
        default: words.unanswerable
        }
    }
}
