internal import JWTKit

/// What an ID token says (OpenID Connect Core §2): who logged in, when and how, for one client.
package struct IDToken: Sendable, Equatable {
    package let issuer: String
    package let subject: Identifier
    package let clientID: String
    package let issuedAt: UnixTime
    package let expiresAt: UnixTime
    package let session: SessionState
    /// When the person had logged in as it was asked for: the session may have been renewed since.
    package let authenticatedAt: UnixTime
    package let nonce: String?
    /// The access token that came with it, for `at_hash`.
    package let accessToken: Redacted<String>

    package init(
        issuer: String, subject: Identifier, clientID: String, issuedAt: UnixTime,
        expiresAt: UnixTime, session: SessionState, authenticatedAt: UnixTime, nonce: String?,
        accessToken: Redacted<String>
    ) {
        self.issuer = issuer
        self.subject = subject
        self.clientID = clientID
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.session = session
        self.authenticatedAt = authenticatedAt
        self.nonce = nonce
        self.accessToken = accessToken
    }

    /// The claims as they are signed.
    struct Claims: JWTPayload {
        let iss: String
        let sub: String
        let aud: String
        let exp: Int64
        let iat: Int64
        let auth_time: Int64
        let acr: String
        let amr: [String]
        let sid: String
        let nonce: String?
        let at_hash: String

        func verify(using algorithm: some JWTAlgorithm) {}
    }

    var claims: Claims {
        Claims(
            iss: issuer, sub: subject.description, aud: clientID, exp: expiresAt.seconds,
            iat: issuedAt.seconds, auth_time: authenticatedAt.seconds,
            acr: [Factor](amr: session.amr).acr, amr: session.amr, sid: session.id.description,
            nonce: nonce,
            // Both algorithms hash with SHA-256 (§3.1.3.6).
            at_hash: Base64.encodeURL(digest(accessToken.value).prefix(16)))
    }
}

/// What an ID token that came back to `/logout` proves (OpenID Connect RP-Initiated Logout §2).
package struct IDTokenHint: Sendable, Equatable {
    package let session: Identifier
    package let clientID: String

    /// The part of the claims that counts; its time does not: expired hints serve.
    struct Claims: JWTPayload {
        let iss: String
        let aud: String
        let sid: String

        func verify(using algorithm: some JWTAlgorithm) {}
    }

    init?(_ claims: Claims, issuer: String) {
        guard Array(claims.iss.utf8) == Array(issuer.utf8), let session = Identifier(claims.sid)
        else { return nil }
        self.session = session
        clientID = claims.aud
    }
}

/// The keys of this server at a moment: what signs ID tokens, and what others verify them by.
package struct SigningKeySet: Sendable {
    /// The document of `/jwks.json` (RFC 7517 §5).
    package let document: String
    private let keys: JWTKeyCollection
    private let signers: [SigningAlgorithm: String]

    /// - Parameters:
    ///   - signers: the key that signs, by algorithm.
    ///   - published: the public JWKs for everybody.
    ///   - known: the public JWKs of all keys there ever were, for hints.
    package init(
        signers: [SigningKey], published: [String], known: [String]
    ) async throws {
        var json = JSONObject()
        json.set("keys", encoded: published)
        document = json.encoded
        keys = JWTKeyCollection()
        for jwk in known { try await keys.add(jwk: Self.publicKey(jwk)) }
        var table: [SigningAlgorithm: String] = [:]
        for key in signers {
            let kid = JWKIdentifier(string: key.kid)
            switch key.algorithm {
            case .es256:
                await keys.add(ecdsa: try ES256PrivateKey(pem: key.privatePEM.value), kid: kid)
            case .rs256:
                await keys.add(
                    rsa: try Insecure.RSA.PrivateKey(pem: key.privatePEM.value),
                    digestAlgorithm: .sha256, kid: kid)
            }
            table[key.algorithm] = key.kid
        }
        // Otherwise the library takes the first key for a token whose key it does not know.
        await keys.clearDefault()
        self.signers = table
    }

    /// Whether a text is the public JWK of a key.
    package static func canRead(_ jwk: String) async -> Bool {
        (try? await JWTKeyCollection().add(jwk: publicKey(jwk))) != nil
    }

    private struct NotPublic: Error {}

    /// Refuses private keys: nobody verifies by one, and the library traps on some whose numbers do not
    /// belong together.
    private static func publicKey(_ text: String) throws -> JWK {
        let jwk = try JWK(json: text)
        guard jwk.privateExponent == nil else { throw NotPublic() }
        return jwk
    }

    package func signs(by algorithm: SigningAlgorithm) -> Bool { signers[algorithm] != nil }

    /// The compact form of an ID token; nil where there is no key for the algorithm.
    package func sign(
        _ token: IDToken, by algorithm: SigningAlgorithm
    ) async throws -> Redacted<String>? {
        guard let kid = signers[algorithm] else { return nil }
        return Redacted(
            try await keys.sign(token.claims, kid: JWKIdentifier(string: kid)))
    }

    /// What a hint proves; nil for anything that this server did not sign. The key decides the
    /// algorithm, never the token (RFC 8725 §3.1).
    package func hint(_ text: String, issuer: String) async -> IDTokenHint? {
        guard text.utf8.count <= Limits.idTokenBytes,
            let claims = try? await keys.verify(text, as: IDTokenHint.Claims.self)
        else { return nil }
        return IDTokenHint(claims, issuer: issuer)
    }
}
