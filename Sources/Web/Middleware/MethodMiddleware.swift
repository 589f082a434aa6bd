import HTTPTypes
import Hummingbird

/// Methods: 405 with `Allow` for those that a path does not have, and CORS where any origin may
/// call (Fetch Standard §3.2), without credentials.
struct MethodMiddleware: RouterMiddleware {
    typealias Context = DoornailContext

    private let routes: [String: Route]

    init(issuerPath: String) {
        routes = Dictionary(
            uniqueKeysWithValues: Route.allCases.map { ($0.path(for: issuerPath), $0) })
    }

    func handle(
        _ request: Request, context: DoornailContext,
        next: @concurrent (Request, DoornailContext) async throws -> Response
    ) async throws -> Response {
        guard let route = routes[request.uri.path] else {
            return try await next(request, context)
        }
        if request.method == .options, route.allowsAnyOrigin {
            return Answer.empty(status: .noContent, headers: preflight(route))
        }
        guard route.methods.contains(request.method) else {
            context.log.outcome = "refused"
            return Answer.error(
                "invalid_request", "this path does not have the method \(request.method.rawValue)",
                status: .methodNotAllowed, headers: [.allow: allowed(route)])
        }
        var response = try await next(request, context)
        if route.allowsAnyOrigin {
            response.headers[.accessControlAllowOrigin] = "*"
        }
        return response
    }

    private func allowed(_ route: Route) -> String {
        (route.methods + (route.allowsAnyOrigin ? [.options] : [])).map(\.rawValue)
            .joined(separator: ", ")
    }

    private func preflight(_ route: Route) -> HTTPFields {
        [
            .accessControlAllowOrigin: "*",
            .accessControlAllowMethods: route.methods.map(\.rawValue).joined(separator: ", "),
            .accessControlAllowHeaders: "Authorization, Content-Type",
            .accessControlMaxAge: "86400",
        ]
    }
}
