/// What a request to revoke a token leads to (RFC 7009 §2.1, §2.2).
package enum RevocationDecision: Sendable, Equatable {
    /// End the token, by a commit of its own, also where it is dead already.
    case endToken(AccessToken, client: Identifier)
    /// End the grant with all that hangs on it, again where it has ended already.
    case endGrant(Identifier)
    /// There is nothing to end: unknown or malformed. It is answered with 200.
    case nothing

    /// Decides for a client that has authenticated, or is public and named itself.
    ///
    /// Another client's token is refused and lives on. A refresh token ends its grant, also one that
    /// was rotated away. An access token that has expired is ended like any other: the clock that says
    /// so may be wrong, and may be put right.
    /// - Parameters:
    ///   - token: what was presented, nil where it is no token of ours.
    ///   - grant: the grant that the token names, nil where it names none or it is gone.
    package static func decide(
        _ token: Token?, grant: GrantState?, by caller: AuthenticatedClient
    ) throws(OAuthError) -> RevocationDecision {
        guard let token else { return .nothing }
        let client: Identifier
        switch token {
        case .access(let access):
            switch access.subject {
            case .client(let id, _): client = id
            case .grant:
                guard let grant else { return .nothing }
                client = grant.client
            }
        case .refresh:
            guard let grant else { return .nothing }
            client = grant.client
        }
        guard client == caller.client.id else {
            throw OAuthError(.invalidGrant, "the token was not issued to this client")
        }
        switch token {
        case .refresh(let refresh):
            return .endGrant(refresh.grant)
        case .access(let access):
            if caller.client.registration.revokes == .grant, let grant {
                return .endGrant(grant.id)
            }
            return .endToken(access, client: client)
        }
    }
}
