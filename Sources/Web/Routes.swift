package import HTTPTypes
package import Hummingbird
package import OAuth

/// Every route of the public listener: a path below the issuer's, and its methods. `openapi.yaml`
/// is compared with this list by a test.
package enum Route: String, CaseIterable, Sendable {
    case authorize = "/authorize"
    case login = "/login"
    case consent = "/consent"
    case logout = "/logout"
    case account = "/account"
    case token = "/token"
    case revoke = "/revoke"
    case introspect = "/introspect"
    case userInfo = "/userinfo"
    case keys = "/jwks.json"
    case metadata = "/.well-known/oauth-authorization-server"
    case openIDConfiguration = "/.well-known/openid-configuration"
    case live = "/health/live"
    case ready = "/health/ready"

    package var methods: [HTTPRequest.Method] {
        switch self {
        // No HEAD where GET may hand out a code.
        case .authorize, .consent: [.get, .post]
        case .login, .logout, .account: [.get, .head, .post]
        case .token, .revoke, .introspect: [.post]
        case .userInfo: [.get, .post]
        case .metadata, .openIDConfiguration, .keys, .live, .ready: [.get, .head]
        }
    }

    /// Whether pages of any origin may call it, without credentials (RFC 7009 §2.3).
    package var allowsAnyOrigin: Bool {
        switch self {
        case .token, .revoke, .metadata, .openIDConfiguration, .userInfo, .keys: true
        case .introspect, .live, .ready, .authorize, .login, .consent, .logout, .account: false
        }
    }

    /// Whether it has no answer without the database.
    package var needsDatabase: Bool {
        switch self {
        case .metadata, .openIDConfiguration, .live, .ready: false
        case .authorize, .login, .consent, .logout, .account, .token, .revoke, .introspect,
            .userInfo, .keys:
            true
        }
    }

    /// Whether people see its answers, errors too.
    package var isPage: Bool {
        switch self {
        case .authorize, .login, .consent, .logout, .account: true
        case .token, .revoke, .introspect, .metadata, .openIDConfiguration, .userInfo, .keys,
            .live, .ready:
            false
        }
    }

    /// Where it lies for an issuer: below the issuer's path, but health at the root, and metadata
    /// with the well-known part before the path (RFC 8414 §3.1).
    package func path(for issuer: String) -> String {
        switch self {
        case .token, .revoke, .introspect, .authorize, .login, .consent, .logout, .account:
            issuer + rawValue
        // OpenID Connect Discovery §4 appends where RFC 8414 inserts.
        case .openIDConfiguration, .userInfo, .keys: issuer + rawValue
        case .metadata: rawValue + issuer
        case .live, .ready: rawValue
        }
    }

    /// Keeps the access log and counts of both listeners.
    package static func recorder(for issuer: Issuer) -> AccessRecorder {
        AccessRecorder(endpoints: Set(allCases.map { $0.path(for: issuer.path) } + ["/metrics"]))
    }

    /// What the public listener answers with.
    package static func router(
        _ services: Services, recorder: AccessRecorder
    ) -> Router<DoornailContext> {
        let router = Router(context: DoornailContext.self)
        let paths = services.issuer.path
        router.middlewares.add(RequestIDMiddleware())
        router.middlewares.add(AccessLogMiddleware(proxies: services.proxies, recorder: recorder))
        // Errors are made into answers first, so that these too say which origins may read them.
        router.middlewares.add(
            MethodMiddleware(
                Dictionary(
                    uniqueKeysWithValues: allCases.map {
                        ($0.path(for: paths), MethodMiddleware.Rule($0))
                    }),
                pages: ErrorPages(services.pages)))
        router.middlewares.add(
            ErrorMiddleware(
                services,
                pages: Set(allCases.filter(\.isPage).map { $0.path(for: paths) })))
        router.middlewares.add(
            JoinedMiddleware(
                services,
                paths: Set(allCases.filter(\.needsDatabase).map { $0.path(for: paths) })))
        for route in allCases {
            let path = RouterPath(route.path(for: paths))
            for method in route.methods {
                switch route {
                case .authorize:
                    router.on(path, method: method, use: AuthorizeEndpoint(services).answer)
                case .login: router.on(path, method: method, use: LoginEndpoint(services).answer)
                case .consent:
                    router.on(path, method: method, use: ConsentEndpoint(services).answer)
                case .logout: router.on(path, method: method, use: LogoutEndpoint(services).answer)
                case .account:
                    router.on(path, method: method, use: AccountEndpoint(services).answer)
                case .token: router.on(path, method: method, use: TokenEndpoint(services).answer)
                case .revoke: router.on(path, method: method, use: RevokeEndpoint(services).answer)
                case .introspect:
                    router.on(path, method: method, use: IntrospectEndpoint(services).answer)
                case .userInfo:
                    router.on(path, method: method, use: UserInfoEndpoint(services).answer)
                case .keys: router.on(path, method: method, use: KeysEndpoint(services).answer)
                case .metadata, .openIDConfiguration:
                    router.on(path, method: method, use: MetadataEndpoint(services).answer)
                case .live: router.on(path, method: method, use: HealthEndpoint.live)
                case .ready: router.on(path, method: method, use: HealthEndpoint(services).ready)
                }
            }
        }
        return router
    }

    /// What the admin listener answers with: metrics, and health again.
    package static func adminRouter(
        _ services: Services, recorder: AccessRecorder, metrics: @escaping @Sendable () -> String
    ) -> Router<DoornailContext> {
        let router = Router(context: DoornailContext.self)
        router.middlewares.add(RequestIDMiddleware())
        router.middlewares.add(AccessLogMiddleware(proxies: services.proxies, recorder: recorder))
        router.middlewares.add(
            MethodMiddleware([
                "/metrics": MethodMiddleware.Rule(methods: [.get]),
                Route.live.rawValue: MethodMiddleware.Rule(.live),
                Route.ready.rawValue: MethodMiddleware.Rule(.ready),
            ]))
        router.middlewares.add(ErrorMiddleware(services, pages: []))
        router.get("/metrics") { _, _ in
            Response(
                status: .ok,
                headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: metrics())))
        }
        for method in Route.live.methods {
            router.on(RouterPath(Route.live.rawValue), method: method, use: HealthEndpoint.live)
            router.on(
                RouterPath(Route.ready.rawValue), method: method,
                use: HealthEndpoint(services).ready)
        }
        return router
    }
}
