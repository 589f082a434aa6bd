import HTTPTypes
package import Hummingbird
package import Serving

/// Tells the ``AccessRecorder`` about each request and how it was answered.
///
/// It stands inside ``RequestIDMiddleware`` and around everything else, and finds out whose request
/// it is, by the socket and by what trusted proxies say. An error that comes as far as this was
/// foreseen by nobody: it is answered 500 here, since Hummingbird's own answer to it would be empty
/// and nameless.
package struct AccessLogMiddleware: RouterMiddleware {
    package typealias Context = DoornailContext

    private let recorder: AccessRecorder

    private let proxies: TrustedProxies

    package init(proxies: TrustedProxies, recorder: AccessRecorder = AccessRecorder()) {
        self.proxies = proxies
        self.recorder = recorder
    }

    package func handle(
        _ request: Request, context: DoornailContext,
        next: @concurrent (Request, DoornailContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.clientAddress = client(request, context)
        let response: Response
        do {
            response = try await next(request, context)
        } catch {
            response = Answer.error(context.log.update { Failure(error, &$0) })
        }
        recorder.answered(
            AccessRecord(
                method: request.method.rawValue,
                path: request.head.path ?? "",
                // A template begins with a slash; "NotFound" is Hummingbird's word for none.
                endpoint: context.endpointPath.flatMap { $0.hasPrefix("/") ? $0 : nil },
                status: Int(response.status.code),
                duration: context.arrivedAt.duration(to: .now),
                address: context.clientAddress.description,
                requestID: context.requestID,
                notes: context.log.notes,
                bytes: response.body.contentLength,
                traceParent: Self.traceparent.flatMap { request.headers[$0] },
                traceState: Self.tracestate.flatMap { request.headers[$0] }))
        return response
    }

    private func client(_ request: Request, _ context: DoornailContext) -> ClientAddress {
        guard let peer = context.peerAddress else { return context.clientAddress }
        return proxies.clientAddress(
            peer: peer,
            forwarded: Self.forwarded.map { request.headers[values: $0] } ?? [],
            xForwardedFor: Self.xForwardedFor.map { request.headers[values: $0] } ?? [])
    }

    private static let forwarded = HTTPField.Name("Forwarded")
    private static let xForwardedFor = HTTPField.Name("X-Forwarded-For")
    private static let traceparent = HTTPField.Name("traceparent")
    private static let tracestate = HTTPField.Name("tracestate")
}
