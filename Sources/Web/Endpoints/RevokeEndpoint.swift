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
        var grant: GrantState?
        if let token, token.grant != nil {
            grant = try await services.store.liveness(of: token, by: context.deadline).grant
            context.log.grant = grant?.id.description
        }
        let ending: Ending
        switch try RevocationDecision.decide(token, grant: grant, by: sent.client) {
        case .endToken(let token, let client): ending = .token(token, client: client)
        case .endGrant(let id): ending = .grant(id)
        case .nothing:
            context.log.outcome = "unknown_token"
            return Answer.empty()
        }
        let cause = Cause(
            reason: "revoked by its client", actor: "client:\(sent.client.client.clientID)")
        do {
            _ = try await services.revoker.end(ending, because: cause, by: context.deadline)
            context.log.outcome = "revoked"
        } catch StoreError.missing {
            // A grant that was removed meanwhile: it had been over for long.
            context.log.outcome = "unknown_token"
        }
        return Answer.empty()
    }
}
