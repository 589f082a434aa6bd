import HTTPTypes
import Hummingbird
import OAuth

/// Errors for people, in their language; the code is the protocol's.
struct ErrorPages: Sendable {
    private let renderer: PageRenderer

    init(_ renderer: PageRenderer) {
        self.renderer = renderer
    }

    /// A failure as a page.
    func answer(_ failure: Failure, to request: Request, _ context: DoornailContext) -> Response {
        let words = context.language.words(for: request)
        let page = ErrorPage(
            words, status: Int(failure.status.code),
            heading: Self.heading(failure.status, words.failure),
            explanation: failure.reason.map(words.failure.reason)
                ?? (failure.isCrowded
                    ? words.failure.crowded : Self.explanation(failure.status, words.failure)),
            code: failure.code, requestID: context.requestID, retrySeconds: failure.retrySeconds)
        var response = Answer.page(renderer.render(page), status: failure.status)
        for (name, value) in failure.fields {
            guard let name = HTTPField.Name(name), name != .wwwAuthenticate else { continue }
            response.headers.append(HTTPField(name: name, value: value))
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
