internal import Crypto

/// A client that has proven who it is, or a public one that said so; made only by `verify`.
package struct AuthenticatedClient: Sendable {
    package let client: Client
    /// The database's time when the client was read.
    package let readAt: UnixTime

    private init(client: Client, readAt: UnixTime) {
        self.client = client
        self.readAt = readAt
    }

    /// Why credentials were not accepted: the answer, and whether it was a guess at a secret.
    package struct Failure: Error, Sendable, Equatable {
        package let error: OAuthError
        /// A wrong secret for a client that exists: it counts against the throttle.
        package let isWrongSecret: Bool
    }

    /// Checks credentials against the registered client, which is nil where there is none.
    ///
    /// Every failure reads the same to the caller; the log says which it was. A wrong secret of a
    /// disabled client is a wrong secret, and its right one is refused like one.
    package static func verify(
        _ credentials: PresentedCredentials, client: Client?, readAt: UnixTime
    ) throws(Failure) -> AuthenticatedClient {
        func failure(_ detail: String, isWrongSecret: Bool = false) -> Failure {
            Failure(
                error: OAuthError(
                    .invalidClient, "the client authentication failed", detail: detail),
                isWrongSecret: isWrongSecret)
        }
        guard let client else { throw failure("unknown client") }
        switch (credentials.presented, client.registration.method) {
        case (.none, .none): break
        case (.none, _): throw failure("the client has a secret and sent none")
        case (_, .none): throw failure("a public client sent a secret")
        case (.basic(let secret), let method) where method.accepts(.basic),
            (.body(let secret), let method) where method.accepts(.post):
            guard client.hasSecret(hash: ClientSecret.hash(secret)) else {
                throw failure("wrong secret", isWrongSecret: true)
            }
        case (.basic, let method), (.body, let method):
            throw failure("the client is registered for the method \(method.rawValue)")
        }
        guard !client.isDisabled else { throw failure("the client is disabled") }
        return AuthenticatedClient(client: client, readAt: readAt)
    }
}

extension Client {
    /// All are compared, so that the time does not tell which one matched.
    fileprivate func hasSecret(hash: [UInt8]) -> Bool {
        var hasMatched = false
        for known in secretHashes where constantTimeEqual(hash, known) { hasMatched = true }
        return hasMatched
    }
}
