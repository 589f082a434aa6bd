/// The client credentials grant (RFC 6749 §4.4): a token for the client itself, without a refresh
/// token, and without a write.
package struct ClientCredentialsGrant: Sendable, Equatable {
    package let issuance: Issuance

    /// Decides a request of an authenticated client.
    package init(_ form: Form, client: AuthenticatedClient) throws(OAuthError) {
        try GrantType.clientCredentials.requireRegistered(by: client.client)
        guard !client.client.isPublic else {
            throw OAuthError(
                .unauthorizedClient, "client_credentials is for clients that have a secret")
        }
        let scope = try client.client.registration.scope.granted(asking: form["scope"])
        // There is no person who logs in, or would be away (OpenID Connect Core §3.1.2.1 and §11).
        if let word = ["openid", "offline_access"].first(where: scope.contains) {
            throw OAuthError(
                .invalidScope, "the scope \(word) is for logins, and this grant has none")
        }
        issuance = Issuance(
            client: client.client, scope: scope,
            audience: try ResourceIndicators.audience(
                asking: form.all("resource"), of: client.client))
    }
}

/// Which audiences a token gets (RFC 8707 §2).
package enum ResourceIndicators {
    /// Those asked for, each of which must be the client's; asked for none, all of the client's.
    package static func audience(
        asking requested: [String], of client: Client
    ) throws(OAuthError) -> [String] {
        guard !requested.isEmpty else { return client.registration.audiences }
        var audience: [String] = []
        for uri in requested where !audience.contains(uri) {
            guard ClientRegistration.isAudience(uri), client.registration.audiences.contains(uri)
            else {
                throw OAuthError(.invalidTarget, "the client may not ask for the resource \(uri)")
            }
            audience.append(uri)
        }
        return audience
    }

    /// Those asked for, each of which must have been granted; nil where it is all of them.
    package static func narrowed(
        asking requested: [String], from granted: [String]
    ) throws(OAuthError) -> [String]? {
        guard !requested.isEmpty else { return nil }
        if let uri = requested.first(where: { !granted.contains($0) }) {
            throw OAuthError(.invalidTarget, "the resource \(uri) was not granted")
        }
        let audience = granted.filter(requested.contains)
        return audience.count == granted.count ? nil : audience
    }
}
