import Cluster
import Hummingbird
import OAuth
import Storage

/// `/introspect`: says whether a token is alive (RFC 7662).
struct IntrospectEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) async throws -> Response {
        let sent = try await FormRequest(request, context, services)
        try Introspection.requireMayAsk(sent.client.client)
        guard let token = try services.node.open(sent.form.required("token")) else {
            return inactive(context)
        }
        guard
            let known = try await services.node.answer(
                about: token, issuer: services.issuer.text, by: context.deadline),
            Introspection.mayKnow(
                sent.client.client, client: known.client, isRefreshToken: token.isRefreshToken,
                isFor: known.isFor)
        else { return inactive(context) }
        context.log.outcome = "active"
        return Answer.json(ByteBuffer(bytes: known.body))
    }

    private func inactive(_ context: DoornailContext) -> Response {
        context.log.outcome = "inactive"
        return Answer.json(Introspection.inactive)
    }
}
