/// Says to a person what went wrong, where no app can be told.
package struct ErrorPage: Page {
    package static let template = PageTemplate.error

    package var title: HTML { heading }
    package let language: Language
    let words: Words.Failure
    let status: HTML
    let heading: HTML
    let explanation: HTML
    let retry: HTML?
    let code: HTML?
    let requestID: HTML

    package init(
        _ words: Words, status: Int, heading: HTML, explanation: HTML, code: String? = nil,
        requestID: String, retrySeconds: Int? = nil
    ) {
        language = words.language
        self.words = words.failure
        self.status = HTML(String(status))
        self.heading = heading
        self.explanation = explanation
        self.code = code.map(HTML.init(_:))
        self.requestID = HTML(requestID)
        retry = retrySeconds.map { words.failure.retry(Self.span($0, in: words.time)) }
    }

    /// Rounded up, so that nobody is told to come too early.
    private static func span(_ seconds: Int, in words: Words.TimeUnits) -> HTML {
        switch seconds {
        case ...1: words.span(1, .second)
        case ..<120: words.span(Int64(seconds), .second)
        default: words.span(Int64(seconds / 60 + (seconds % 60 > 0 ? 1 : 0)), .minute)
        }
    }
}
