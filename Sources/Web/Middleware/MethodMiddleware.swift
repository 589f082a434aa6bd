import HTTPTypes
import Hummingbird
import Serving

/// Paths and methods of pages: 404 for a path that is not there, as a page where a browser asks, and 405
/// with `Allow` for a method that a path does not have.
struct MethodMiddleware: RouterMiddleware {
    typealias Context = DoornailContext

    private let methods: [String: [HTTPRequest.Method]]
    private let pages: ErrorPages?

    /// - Parameter pages: what people are shown; nil where only programs come
    init(_ methods: [String: [HTTPRequest.Method]], pages: ErrorPages? = nil) {
        self.methods = methods
        self.pages = pages
    }

    func handle(
        _ request: Request, context: DoornailContext,
        next: @concurrent (Request, DoornailContext) async throws -> Response
    ) async throws -> Response {
        // The router would take /login/ and //login for /login; a path has one spelling here.
        guard let allowed = methods[request.uri.path] else {
            context.log.outcome = "refused"
            if let pages, ErrorPages.isWanted(by: request) {
                return pages.answer(.nothingHere, to: request, context)
            }
            return Answer.error(Failure.nothingHere)
        }
        guard allowed.contains(request.method) else {
            context.log.outcome = "refused"
            return Answer.error(
                Failure.noSuchMethod(request.method.rawValue, allowed.map(\.rawValue)))
        }
        return try await next(request, context)
    }
}
