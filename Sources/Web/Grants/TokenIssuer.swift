import Cluster
import OAuth
import Storage

/// Makes the tokens that a grant has decided on, for the client that asked.
struct TokenIssuer {
    private let services: Services
    private let sent: ClientRequest

    init(_ services: Services, _ sent: ClientRequest) {
        self.services = services
        self.sent = sent
    }

    /// The login that an ID token tells of, and in answer to which request.
    struct Login {
        let session: SessionState
        /// When the person had logged in as the grant was asked for (OpenID Connect Core §12.2).
        let authenticatedAt: UnixTime?
        let nonce: String?
    }

    /// What was issued so far: the access token, and what is added to it.
    struct Issued {
        fileprivate let issuer: TokenIssuer
        fileprivate let token: AccessToken
        fileprivate(set) var response: TokenResponse

        mutating func add(_ token: RefreshToken) throws {
            guard let sealed = try issuer.services.node.codec().seal(token) else {
                throw StoreError.unavailable("this node lacks the secret of the refresh token")
            }
            response.refreshToken = sealed
        }

        /// With the scope `openid`, adds an ID token.
        mutating func addIDToken(_ login: Login) async throws {
            guard response.scope.contains("openid") else { return }
            let client = issuer.sent.client.client
            let id = IDToken(
                issuer: issuer.services.issuer.text, subject: login.session.user,
                clientID: client.clientID, issuedAt: token.issuedAt, expiresAt: token.expiresAt,
                session: login.session,
                authenticatedAt: login.authenticatedAt ?? login.session.authenticatedAt,
                nonce: login.nonce, accessToken: response.accessToken)
            guard
                let signed = try await issuer.services.node.signingKeys().sign(
                    id, by: client.registration.idTokenAlgorithm)
            else { throw TokenIssuer.noSigner }
            response.idToken = signed
        }
    }

    /// An id that sorts by its time.
    static func newID(_ now: UnixTime) -> Identifier {
        var random = SystemRandomNumberGenerator()
        return Identifier(milliseconds: UInt64(clamping: now.seconds) &* 1000, using: &random)
    }

    /// The secret that new tokens are signed under.
    func keyID() throws(StoreError) -> UInt8 {
        try services.node.signingKeyID(unretired: sent.unretiredKeyIDs)
    }

    /// An access token; nil where all that it hangs on would be over.
    func issue(_ issuance: Issuance, keyID: UInt8, at now: UnixTime) throws -> Issued? {
        guard
            let token = issuance.token(
                id: Self.newID(now), keyID: keyID, at: now,
                lifetimeSeconds: services.lifetimes.accessTokenSeconds)
        else { return nil }
        guard let sealed = try services.node.codec().seal(token) else {
            throw StoreError.unavailable("the signing secret changed; ask again")
        }
        return Issued(
            issuer: self, token: token,
            // Both are, or follow, times that the database can hold: in seconds far from any overflow.
            response: TokenResponse(
                accessToken: sealed,
                expiresInSeconds: token.expiresAt.seconds - token.issuedAt.seconds,
                scope: issuance.scope))
    }

    /// That an ID token can be signed, before anything is consumed for it.
    func requireSigner(for scope: Scope) throws(StoreError) {
        guard scope.contains("openid") else { return }
        guard
            try services.node.signingKeys().signs(
                by: sent.client.client.registration.idTokenAlgorithm)
        else {
            throw Self.noSigner
        }
    }

    private static let noSigner = StoreError.unavailable("this node has no key for the ID token")
}
