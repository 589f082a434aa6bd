/// What a request to revoke a token leads to (RFC 7009 §2.1, §2.2).
package enum RevocationDecision: Sendable, Equatable {
    /// End the token, by a commit of its own, also where it is dead already.
    case end(AccessToken)
    /// There is nothing to end: unknown, malformed, or expired for long. It is answered with 200.
    case nothing

    /// Decides for a client that has authenticated, or is public and named itself.
    ///
    /// Another client's token is refused and lives on. A token counts as expired only an hour after
    /// its expiry: clocks differ after a failover, and until then a row is committed.
    /// - Parameter token: what was presented, nil where it is no token of ours.
    package static func decide(
        _ token: AccessToken?, by caller: AuthenticatedClient
    ) throws(OAuthError) -> RevocationDecision {
        guard let token else { return .nothing }
        guard token.client == caller.client.id else {
            throw OAuthError(.invalidGrant, "the token was not issued to this client")
        }
        let forgotten = token.expiresAt.adding(seconds: Limits.expiryGraceSeconds)
        return caller.readAt > forgotten ? .nothing : .end(token)
    }
}
