package import Hummingbird
import Logging
import Serving

/// Gives each request its id: in the context, in its log lines and on the answer.
///
/// It stands outermost, so that an answer made by any other middleware carries the id too.
package struct RequestIDMiddleware: RouterMiddleware {
    package typealias Context = DoornailContext

    package init() {}

    package func handle(
        _ request: Request, context: DoornailContext,
        next: @concurrent (Request, DoornailContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.requestID = RequestID.of(request.headers[RequestID.fieldName])
        context.logger[metadataKey: "hb.request.id"] = nil
        context.logger[metadataKey: "request_id"] = .string(context.requestID)
        var response = try await next(request, context)
        response.headers[RequestID.fieldName] = context.requestID
        return response
    }
}
