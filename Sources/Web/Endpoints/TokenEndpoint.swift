import Cluster
import Hummingbird
import OAuth
import Storage

/// `/token`: gives tokens (RFC 6749 §3.2).
struct TokenEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) async throws -> Response {
        let sent = try await FormRequest(request, context, services)
        let grantType = try GrantType(parameter: sent.form.required("grant_type"))
        switch grantType {
        case .clientCredentials:
            return try clientCredentials(
                ClientCredentialsGrant(sent.form, client: sent.client), sent)
        }
    }

    private func clientCredentials(
        _ grant: ClientCredentialsGrant, _ sent: FormRequest
    ) throws -> Response {
        var random = SystemRandomNumberGenerator()
        let now = UInt64(clamping: sent.client.readAt.seconds)
        let token = grant.token(
            for: sent.client,
            id: Identifier(milliseconds: now &* 1000, using: &random),
            keyID: try services.node.signingKeyID(unretired: sent.unretiredKeyIDs),
            lifetimeSeconds: services.accessTokenSeconds)
        guard let sealed = try services.node.codec().seal(token) else {
            throw StoreError.unavailable("the signing secret changed; ask again")
        }
        var json = JSONObject()
        json.set("access_token", sealed.value)
        json.set("token_type", "Bearer")
        json.set("expires_in", services.accessTokenSeconds)
        if !token.scope.isEmpty { json.set("scope", token.scope.description) }
        return Answer.json(json.encoded)
    }
}
