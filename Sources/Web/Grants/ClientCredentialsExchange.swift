import OAuth
import Serving

/// The client credentials grant (RFC 6749 §4.4): decided without a read and without a write.
struct ClientCredentialsExchange: TokenExchange {
    let services: Services

    func response(
        to sent: ClientRequest, _ notes: inout RequestNotes
    ) async throws -> TokenResponse {
        let issuance = try ClientCredentialsGrant(sent.form, client: sent.client).issuance
        let issuer = TokenIssuer(services, sent)
        guard
            let issued = try issuer.issue(
                issuance, keyID: issuer.keyID(), at: sent.client.readAt)
        else { throw OAuthError(.invalidGrant, "the token would be over already") }
        return issued.response
    }
}
