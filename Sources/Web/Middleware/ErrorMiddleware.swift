import HTTPTypes
import Hummingbird
import OAuth
import Serving

/// Makes the errors of pages into pages: ``Failure`` knows which error has which status.
struct ErrorMiddleware: RouterMiddleware {
    typealias Context = DoornailContext

    private let services: Services

    init(_ services: Services) {
        self.services = services
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
            failure = context.log.update { Failure(error, &$0) }
        }
        return ErrorPages(services.pages).answer(failure, to: request, context)
    }
}
