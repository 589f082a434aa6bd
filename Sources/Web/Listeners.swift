import HTTPTypes
package import Hummingbird
package import Metrics
import OAuth
package import Serving

/// What the two listeners answer with, wired up: the endpoints for programs, and the router of the pages.
package enum Listeners {
    /// What programs call on the public listener.
    package static func publicAPI(_ services: Services) -> EndpointTable {
        let entries = Route.allCases.compactMap { route -> (String, EndpointTable.Entry)? in
            guard let endpoint = endpoint(route, services) else { return nil }
            return (path(of: route, services), EndpointTable.Entry(route, endpoint))
        }
        return EndpointTable(Dictionary(uniqueKeysWithValues: entries), node: services.node)
    }

    /// What programs call on the admin listener: metrics, and health again.
    package static func adminAPI(
        _ services: Services, metrics: @escaping @Sendable () -> String
    ) -> EndpointTable {
        EndpointTable(
            [
                "/metrics": .init(method: "GET", MetricsEndpoint(metrics: metrics)),
                Route.live.rawValue: .init(.live, LiveEndpoint()),
                Route.ready.rawValue: .init(.ready, ReadyEndpoint(services: services)),
            ], node: services.node)
    }

    private static func endpoint(_ route: Route, _ services: Services) -> (any Endpoint)? {
        switch route {
        case .token: TokenEndpoint(services: services)
        case .revoke: RevokeEndpoint(services: services)
        case .introspect: IntrospectEndpoint(services: services)
        case .userInfo: UserInfoEndpoint(services: services)
        case .keys: KeysEndpoint(services: services)
        case .metadata, .openIDConfiguration: MetadataEndpoint(services)
        case .live: LiveEndpoint()
        case .ready: ReadyEndpoint(services: services)
        case .authorize, .login, .consent, .logout, .account: nil
        }
    }

    /// The pages of the public listener, and 404 for every path that is neither a page's nor an
    /// endpoint's.
    package static func pages(
        _ services: Services, recorder: AccessRecorder
    ) -> Router<DoornailContext> {
        let routes = Route.allCases.filter(\.isPage)
        let methods = Dictionary(
            uniqueKeysWithValues: routes.map { (path(of: $0, services), $0.methods) })
        let router = router(
            services, recorder,
            MethodMiddleware(methods, pages: ErrorPages(services.pages)))
        router.middlewares.add(ErrorMiddleware(services))
        router.middlewares.add(JoinedMiddleware(services))
        for route in routes {
            guard let page = page(route, services) else { continue }
            for method in route.methods {
                router.on(RouterPath(path(of: route, services)), method: method, use: page)
            }
        }
        return router
    }

    /// What the admin listener answers with beside its endpoints: 404.
    package static func nothing(
        _ services: Services, recorder: AccessRecorder
    ) -> Router<DoornailContext> {
        router(services, recorder, MethodMiddleware([:]))
    }

    private typealias Handler =
        @Sendable @concurrent (Request, DoornailContext) async throws -> Response

    private static func page(_ route: Route, _ services: Services) -> Handler? {
        switch route {
        case .authorize: AuthorizeEndpoint(services).answer
        case .login: LoginEndpoint(services).answer
        case .consent: ConsentEndpoint(services).answer
        case .logout: LogoutEndpoint(services).answer
        case .account: AccountEndpoint(services).answer
        case .token, .revoke, .introspect, .userInfo, .keys, .metadata, .openIDConfiguration,
            .live, .ready:
            nil
        }
    }

    private static func router(
        _ services: Services, _ recorder: AccessRecorder, _ methods: MethodMiddleware
    ) -> Router<DoornailContext> {
        let router = Router(context: DoornailContext.self)
        router.middlewares.add(RequestIDMiddleware())
        router.middlewares.add(AccessLogMiddleware(proxies: services.proxies, recorder: recorder))
        router.middlewares.add(methods)
        return router
    }

    private static func path(of route: Route, _ services: Services) -> String {
        route.path(for: services.issuer.path)
    }

    /// Keeps the access log and counts of both listeners.
    package static func recorder(
        _ services: Services, log: AccessLog, metrics: any MetricsFactory
    ) -> AccessRecorder {
        AccessRecorder(
            log: log, metrics: metrics,
            endpoints: Set(Route.allCases.map { path(of: $0, services) } + ["/metrics"]))
    }
}
