import Cluster
import Hummingbird
import OAuth
import Storage

/// `/revoke`: ends tokens (RFC 7009). A 200 means that no node says active again.
struct RevokeEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) async throws -> Response {
        let sent = try await FormRequest(request, context, services)
        // The hint only says where to look first; a token of ours tells its kind by itself.
        let token = try services.node.open(sent.form.required("token"))
        switch try RevocationDecision.decide(token, by: sent.client) {
        case .end(let token):
            _ = try await services.revoker.end(
                .token(token),
                because: Cause(
                    reason: "revoked by its client",
                    actor: "client:\(sent.client.client.clientID)"),
                by: context.deadline)
            context.log.outcome = "revoked"
        case .nothing:
            context.log.outcome = "unknown_token"
        }
        return Answer.empty()
    }
}
