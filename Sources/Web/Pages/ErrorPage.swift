/// Says to a person what went wrong, where no app can be told.
package struct ErrorPage: Page {
    package static let template = PageTemplate.error

    package var title: HTML { heading }
    let status: HTML
    let heading: HTML
    let words: HTML
    let retry: HTML?
    let code: HTML?
    let requestID: HTML

    package init(
        status: Int, heading: String, words: String, code: String? = nil, requestID: String,
        retrySeconds: Int? = nil
    ) {
        self.status = HTML(String(status))
        self.heading = HTML(heading)
        self.words = HTML(words)
        self.code = code.map(HTML.init(_:))
        self.requestID = HTML(requestID)
        retry = retrySeconds.map { HTML("You can try again in \(Self.span($0)).") }
    }

    /// Rounded up, so that nobody is told to come too early.
    private static func span(_ seconds: Int) -> String {
        switch seconds {
        case ...1: "1 second"
        case ..<120: "\(seconds) seconds"
        default: "\(seconds / 60 + (seconds % 60 > 0 ? 1 : 0)) minutes"
        }
    }
}
