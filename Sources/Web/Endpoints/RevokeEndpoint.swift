import Cluster
import OAuth
import Serving
import Storage

/// `/revoke`: ends tokens (RFC 7009). A 200 means that no node says active again.
struct RevokeEndpoint: Endpoint {
    let services: Services

    func answer(_ request: APIRequest, _ notes: inout RequestNotes) async throws -> APIAnswer {
        let sent = try await ClientRequest(request, services, &notes)
        // The hint only says where to look first; a token of ours tells its kind by itself.
        let token = try services.node.open(sent.form.required("token"))
        var grant: GrantState?
        if let token, token.grant != nil {
            grant = try await services.store.liveness(of: token, by: sent.deadline).grant
            notes.grant = grant?.id.description
        }
        let ending: TrustChange
        switch try RevocationDecision.decide(token, grant: grant, by: sent.client) {
        case .endToken(let token, let client): ending = .token(token, client: client)
        case .endGrant(let id): ending = .grant(id)
        case .nothing:
            notes.outcome = "unknown_token"
            return .empty
        }
        let cause = Cause(
            reason: "revoked by its client", by: .client(sent.client.client.clientID))
        do {
            _ = try await services.revoker.end(ending, because: cause, by: sent.deadline)
            notes.outcome = "revoked"
        } catch StoreError.missing {
            // A grant that was removed meanwhile: it had been over for long.
            notes.outcome = "unknown_token"
        }
        return .empty
    }
}
