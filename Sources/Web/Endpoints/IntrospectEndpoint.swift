import Cluster
import Lease
import OAuth
import Serving
import Storage

/// `/introspect`: says whether a token is alive (RFC 7662).
struct IntrospectEndpoint: Endpoint {
    let services: Services

    func answer(_ request: APIRequest, _ notes: inout RequestNotes) async throws -> APIAnswer {
        let sent = try await ClientRequest(request, services, &notes)
        try Introspection.requireMayAsk(sent.client.client)
        let answer = try await services.node.answer(
            about: sent.form.required("token"), issuer: services.issuer.text, by: sent.deadline)
        guard let answer,
            Introspection.mayKnow(
                sent.client.client, client: answer.known.client,
                isRefreshToken: answer.isRefreshToken, isFor: answer.known.isFor)
        else {
            notes.outcome = "inactive"
            return .json(Introspection.inactive)
        }
        notes.outcome = "active"
        return .json(answer.known.body)
    }
}
