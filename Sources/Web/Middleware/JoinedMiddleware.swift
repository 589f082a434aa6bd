import Cluster
import Hummingbird

/// Refuses what needs the database while this node has not joined the others: until then nobody sees
/// to it that what waits is answered in time.
struct JoinedMiddleware: RouterMiddleware {
    typealias Context = DoornailContext

    private let services: Services
    private let paths: Set<String>

    /// - Parameter paths: the paths that need the database.
    init(_ services: Services, paths: Set<String>) {
        self.services = services
        self.paths = paths
    }

    func handle(
        _ request: Request, context: DoornailContext,
        next: @concurrent (Request, DoornailContext) async throws -> Response
    ) async throws -> Response {
        if paths.contains(request.uri.path) { _ = try services.node.codec() }
        return try await next(request, context)
    }
}
