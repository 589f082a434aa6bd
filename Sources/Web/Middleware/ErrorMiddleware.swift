import HTTPTypes
import Hummingbird
import OAuth
import Storage

/// The one place that knows which error has which status and headers, and whether a program or a
/// person reads it.
struct ErrorMiddleware: RouterMiddleware {
    typealias Context = DoornailContext

    /// An error as it is answered.
    private struct Failure {
        var status: HTTPResponse.Status
        var code: String
        var description: String
        var headers: HTTPFields = [:]
        var reason: OAuthError.Reason?
        var retrySeconds: Int?
        /// More passwords came at once than are examined.
        var isCrowded = false
    }

    private let services: Services
    private let pages: Set<String>

    /// - Parameter pages: the paths whose errors people see.
    init(_ services: Services, pages: Set<String>) {
        self.services = services
        self.pages = pages
    }

    func handle(
        _ request: Request, context: DoornailContext,
        next: @concurrent (Request, DoornailContext) async throws -> Response
    ) async throws -> Response {
        let failure: Failure
        do {
            return try await next(request, context)
        } catch is CancellationError {
            throw CancellationError()
        } catch let refusal as AuthorizationRequest.Refusal {
            // The client is told, at its own address.
            context.log.outcome = refusal.error.code.rawValue
            context.log.error = refusal.error.detail ?? refusal.error.description
            return AuthorizationFlow.answer(
                refusal.parameters, to: refusal.address,
                context.language.words(for: request), services)
        } catch {
            failure = Self.failure(error, context)
        }
        guard pages.contains(request.uri.path) else {
            return Answer.error(
                failure.code, failure.description, status: failure.status,
                headers: failure.headers)
        }
        return ErrorPages(services.pages).answer(
            failure.status, code: failure.code, reason: failure.reason,
            retrySeconds: failure.retrySeconds, isCrowded: failure.isCrowded,
            headers: failure.headers, to: request, context)
    }

    private static func failure(_ error: any Error, _ context: DoornailContext) -> Failure {
        switch error {
        case let error as OAuthError:
            context.log.outcome = error.code.rawValue
            context.log.error = error.detail ?? error.description
            return Failure(
                status: status(of: error), code: error.code.rawValue,
                description: error.description, headers: headers(for: error),
                reason: error.reason, retrySeconds: error.retryAfterSeconds.map { Int($0) })
        case let error as StoreError:
            context.log.error = error.description
            guard case .unavailable = error else { return serverError(context) }
            context.log.outcome = "unavailable"
            return Failure(
                status: .serviceUnavailable, code: "temporarily_unavailable",
                description:
                    "the database cannot answer for certain; ask again",
                headers: [.retryAfter: "1"], retrySeconds: 1)
        case let refusal as PasswordQueue.Refusal:
            context.log.outcome = "crowded"
            context.log.error = "too many passwords wait: \(refusal)"
            return Failure(
                status: refusal == .full ? .serviceUnavailable : .tooManyRequests,
                code: refusal == .full ? "temporarily_unavailable" : "too_many_requests",
                description: "too many passwords wait to be examined; ask again",
                headers: [.retryAfter: "1"], retrySeconds: 1, isCrowded: true)
        case let refusal as HTTPRefusal:
            context.log.outcome = "refused"
            return Failure(
                status: refusal.status, code: "invalid_request", description: refusal.description)
        case let error as any HTTPResponseError:
            // Hummingbird's own: no such path, or a body that it would not read.
            context.log.outcome = "refused"
            return Failure(
                status: error.status,
                code: error.status == .notFound ? "not_found" : "invalid_request",
                description: error.status.reasonPhrase.lowercased())
        default:
            context.log.error = "\(error)"
            return serverError(context)
        }
    }

    private static func serverError(_ context: DoornailContext) -> Failure {
        context.log.outcome = "server_error"
        return Failure(
            status: .internalServerError, code: "server_error",
            description: "something went wrong; the log has it by the request id")
    }

    private static func status(of error: OAuthError) -> HTTPResponse.Status {
        switch error.code {
        case .invalidClient, .invalidToken: .unauthorized
        case .insufficientScope: .forbidden
        case .tooManyRequests: .tooManyRequests
        case .invalidRequest, .invalidGrant, .unauthorizedClient, .unsupportedGrantType,
            .invalidScope, .invalidTarget, .accessDenied, .unsupportedResponseType,
            .loginRequired, .consentRequired, .requestNotSupported, .requestURINotSupported:
            .badRequest
        }
    }

    private static func headers(for error: OAuthError) -> HTTPFields {
        switch error.code {
        case .invalidClient: [.wwwAuthenticate: #"Basic realm="doornail", charset="UTF-8""#]
        case .invalidToken, .insufficientScope:
            [.wwwAuthenticate: #"Bearer realm="doornail", error="\#(error.code.rawValue)""#]
        case .tooManyRequests: [.retryAfter: String(error.retryAfterSeconds ?? 1)]
        default: [:]
        }
    }
}
