import Hummingbird
import Logging

/// Who may come in.
struct Door: Sendable {
    let introspector: Introspector
    /// What tokens for this API are made out to.
    let audience: String

    /// The caller that a request's token speaks for.
    func caller(of request: Request, scope: String, _ logger: Logger) async throws -> Caller {
        guard let header = request.headers[.authorization],
            let (scheme, token) = Self.parts(of: header), scheme.lowercased() == "bearer"
        else { throw Refusal.noToken }
        // RFC 6750 §2.1. Whatever has other characters is no token, and two headers are none either.
        let allowed = #/[A-Za-z0-9\-._~+\/]+=*/#
        guard token.wholeMatch(of: allowed) != nil else { throw Refusal.invalidToken }
        let answer: Introspection
        do {
            answer = try await introspector.ask(about: String(token))
        } catch {
            logger.error("Doornail gave no clear answer", metadata: ["error": "\(error)"])
            throw Refusal.unavailable
        }
        return try Caller(answer, audience: audience, scope: scope)
    }

    private static func parts(of header: String) -> (Substring, Substring)? {
        guard let space = header.firstIndex(of: " ") else { return nil }
        return (header[..<space], header[space...].drop { $0 == " " })
    }
}

/// Who a request was proven to come from. There is no other way to make one.
struct Caller: Sendable {
    let subject: String

    fileprivate init(_ answer: Introspection, audience: String, scope: String) throws(Refusal) {
        // A refresh token, which is alive too, has no token_type.
        guard answer.active, answer.token_type == "Bearer", let subject = answer.sub,
            answer.aud?.all.contains(audience) == true
        else { throw .invalidToken }
        guard answer.scope?.split(separator: " ").contains(Substring(scope)) == true else {
            throw .insufficientScope(scope)
        }
        self.subject = subject
    }
}

/// A request that nothing is known of yet.
struct OpenContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    fileprivate var caller: Caller?

    init(source: Source) {
        coreContext = .init(source: source)
    }
}

/// A request with a caller: the only one that the routes of the API take.
struct CallerContext: ChildRequestContext {
    var coreContext: CoreRequestContextStorage
    let caller: Caller

    init(context: OpenContext) throws {
        guard let caller = context.caller else { throw Refusal.noToken }
        coreContext = context.coreContext
        self.caller = caller
    }
}

extension Router<OpenContext> {
    /// Routes that need a token with a scope.
    func requiring(_ scope: String, at door: Door) -> RouterGroup<CallerContext> {
        group().add(middleware: TokenMiddleware(door: door, scope: scope))
            .group(context: CallerContext.self)
    }
}

private struct TokenMiddleware: RouterMiddleware {
    let door: Door
    let scope: String

    func handle(
        _ request: Request, context: OpenContext,
        next: @concurrent (Request, OpenContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.caller = try await door.caller(of: request, scope: scope, context.logger)
        return try await next(request, context)
    }
}

/// Why a request is not let in, and how RFC 6750 §3 says so.
enum Refusal: HTTPResponseError {
    case noToken
    case invalidToken
    case insufficientScope(String)
    case unavailable

    var status: HTTPResponse.Status {
        switch self {
        case .noToken, .invalidToken: .unauthorized
        case .insufficientScope: .forbidden
        case .unavailable: .serviceUnavailable
        }
    }

    func response(from request: Request, context: some RequestContext) -> Response {
        let headers: HTTPFields =
            switch self {
            // Who sent no token made no error.
            case .noToken: [.wwwAuthenticate: #"Bearer realm="photos""#]
            case .invalidToken: [.wwwAuthenticate: challenge("invalid_token")]
            case .insufficientScope(let scope):
                [.wwwAuthenticate: challenge("insufficient_scope") + #", scope="\#(scope)""#]
            case .unavailable: [.retryAfter: "1"]
            }
        return Response(status: status, headers: headers)
    }

    private func challenge(_ error: String) -> String {
        #"Bearer realm="photos", error="\#(error)""#
    }
}
