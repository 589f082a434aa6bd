import OAuth
import Serving

/// `/token`: gives tokens (RFC 6749 §3.2). Each grant has a file of its own in `Web/Grants`.
struct TokenEndpoint: Endpoint {
    let services: Services

    func answer(_ request: APIRequest, _ notes: inout RequestNotes) async throws -> APIAnswer {
        let sent = try await ClientRequest(request, services, &notes)
        let grant = exchange(try GrantType(parameter: sent.form.required("grant_type")))
        return .json(try await grant.response(to: sent, &notes).json[...])
    }

    private func exchange(_ grant: GrantType) -> any TokenExchange {
        switch grant {
        case .clientCredentials: ClientCredentialsExchange(services: services)
        case .authorizationCode: AuthorizationCodeExchange(services: services)
        case .refreshToken: RefreshTokenExchange(services: services)
        }
    }
}
