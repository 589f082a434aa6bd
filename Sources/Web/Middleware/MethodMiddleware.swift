import HTTPTypes
import Hummingbird

/// Paths and methods: 404 for a path that is not there, as a page where a browser asks, 405 with
/// `Allow` for a method that a path does not have, and CORS where any origin may call (Fetch Standard
/// §3.2), without credentials.
struct MethodMiddleware: RouterMiddleware {
    typealias Context = DoornailContext

    /// What a path allows.
    struct Rule {
        let methods: [HTTPRequest.Method]
        let allowsAnyOrigin: Bool

        init(methods: [HTTPRequest.Method]) {
            self.methods = methods
            allowsAnyOrigin = false
        }

        init(_ route: Route) {
            methods = route.methods
            allowsAnyOrigin = route.allowsAnyOrigin
        }
    }

    private let rules: [String: Rule]
    private let pages: ErrorPages?

    /// - Parameter pages: what people are shown; nil where only programs come
    init(_ rules: [String: Rule], pages: ErrorPages? = nil) {
        self.rules = rules
        self.pages = pages
    }

    func handle(
        _ request: Request, context: DoornailContext,
        next: @concurrent (Request, DoornailContext) async throws -> Response
    ) async throws -> Response {
        // The router would take /token/ and //token for /token; a path has one spelling here.
        guard let rule = rules[request.uri.path] else {
            context.log.outcome = "refused"
            if let pages, ErrorPages.isWanted(by: request) {
                return pages.answer(.notFound, code: "not_found", to: request, context)
            }
            return Answer.error("not_found", "there is nothing at this path", status: .notFound)
        }
        if request.method == .options, rule.allowsAnyOrigin {
            return Answer.empty(status: .noContent, headers: preflight(rule))
        }
        guard rule.methods.contains(request.method) else {
            context.log.outcome = "refused"
            return Answer.error(
                "invalid_request", "this path does not have the method \(request.method.rawValue)",
                status: .methodNotAllowed,
                headers: rule.allowsAnyOrigin
                    ? [.allow: allowed(rule), .accessControlAllowOrigin: "*"]
                    : [.allow: allowed(rule)])
        }
        var response = try await next(request, context)
        if rule.allowsAnyOrigin {
            response.headers[.accessControlAllowOrigin] = "*"
        }
        return response
    }

    private func allowed(_ rule: Rule) -> String {
        (rule.methods + (rule.allowsAnyOrigin ? [.options] : [])).map(\.rawValue)
            .joined(separator: ", ")
    }

    private func preflight(_ rule: Rule) -> HTTPFields {
        [
            .accessControlAllowOrigin: "*",
            .accessControlAllowMethods: rule.methods.map(\.rawValue).joined(separator: ", "),
            .accessControlAllowHeaders: "Authorization, Content-Type",
            .accessControlMaxAge: "86400",
        ]
    }
}
