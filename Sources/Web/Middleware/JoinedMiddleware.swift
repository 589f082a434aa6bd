import Cluster
import Hummingbird

/// Refuses pages while this node has not joined the others: until then nobody sees to it that what waits
/// is answered in time.
struct JoinedMiddleware: RouterMiddleware {
    typealias Context = DoornailContext

    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    func handle(
        _ request: Request, context: DoornailContext,
        next: @concurrent (Request, DoornailContext) async throws -> Response
    ) async throws -> Response {
        _ = try services.node.codec()
        return try await next(request, context)
    }
}
