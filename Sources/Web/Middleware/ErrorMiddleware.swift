import HTTPTypes
import Hummingbird
import OAuth
import Storage

/// The one place that knows which error has which status and headers.
struct ErrorMiddleware: RouterMiddleware {
    typealias Context = DoornailContext

    func handle(
        _ request: Request, context: DoornailContext,
        next: @concurrent (Request, DoornailContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as OAuthError {
            context.log.outcome = error.code.rawValue
            context.log.error = error.detail ?? error.description
            return Answer.error(
                error.code.rawValue, error.description, status: Self.status(of: error),
                headers: Self.headers(for: error))
        } catch let error as StoreError {
            return store(error, context)
        } catch let refusal as HTTPRefusal {
            context.log.outcome = "refused"
            return Answer.error("invalid_request", refusal.description, status: refusal.status)
        } catch let error as any HTTPResponseError {
            // Hummingbird's own: no such path, or a body that it would not read.
            context.log.outcome = "refused"
            let code = error.status == .notFound ? "not_found" : "invalid_request"
            return Answer.error(
                code, error.status.reasonPhrase.lowercased(), status: error.status)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            context.log.error = "\(error)"
            context.log.outcome = "server_error"
            return Answer.error(
                "server_error", "something went wrong; the log has it by the request id",
                status: .internalServerError)
        }
    }

    private func store(_ error: StoreError, _ context: DoornailContext) -> Response {
        context.log.error = error.description
        switch error {
        case .unavailable:
            context.log.outcome = "unavailable"
            return Answer.error(
                "temporarily_unavailable",
                "the database cannot answer for certain; nothing was decided, ask again",
                status: .serviceUnavailable, headers: [.retryAfter: "1"])
        case .missing, .conflict, .broken:
            context.log.outcome = "server_error"
            return Answer.error(
                "server_error", "something went wrong; the log has it by the request id",
                status: .internalServerError)
        }
    }

    private static func status(of error: OAuthError) -> HTTPResponse.Status {
        switch error.code {
        case .invalidClient: .unauthorized
        case .tooManyRequests: .tooManyRequests
        case .invalidRequest, .invalidGrant, .unauthorizedClient, .unsupportedGrantType,
            .invalidScope, .invalidTarget:
            .badRequest
        }
    }

    private static func headers(for error: OAuthError) -> HTTPFields {
        switch error.code {
        case .invalidClient: [.wwwAuthenticate: #"Basic realm="doornail", charset="UTF-8""#]
        case .tooManyRequests: [.retryAfter: String(error.retryAfterSeconds ?? 1)]
        default: [:]
        }
    }
}
