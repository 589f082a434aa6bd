/// What is registered about a client: everything but its identity, secrets and state.
package struct ClientRegistration: Sendable, Equatable {
    package var name: String
    package var method: Client.AuthenticationMethod
    package var grantTypes: [GrantType]
    package var redirectURIs: [String]
    package var postLogoutRedirectURIs: [String]
    package var backchannelLogoutURI: String?
    package var scope: Scope
    package var audiences: [String]
    package var introspects: Client.Introspects
    package var revokes: Client.Revokes
    package var isFirstParty: Bool
    /// Whether its refresh tokens are replaced at each use.
    package var rotates: Bool
    /// How long after its use a refresh token is answered with the same successor.
    package var retryWindowSeconds: Int32
    /// How its ID tokens are signed.
    package var idTokenAlgorithm: SigningAlgorithm

    package init(
        name: String, method: Client.AuthenticationMethod, grantTypes: [GrantType],
        redirectURIs: [String] = [], postLogoutRedirectURIs: [String] = [],
        backchannelLogoutURI: String? = nil, scope: Scope = .none, audiences: [String] = [],
        introspects: Client.Introspects? = nil, revokes: Client.Revokes = .token,
        isFirstParty: Bool = false, rotates: Bool = true, retryWindowSeconds: Int32 = 30,
        idTokenAlgorithm: SigningAlgorithm = .rs256
    ) {
        self.name = name
        self.method = method
        self.grantTypes = grantTypes
        self.redirectURIs = redirectURIs
        self.postLogoutRedirectURIs = postLogoutRedirectURIs
        self.backchannelLogoutURI = backchannelLogoutURI
        self.scope = scope
        self.audiences = audiences
        self.introspects = introspects ?? Self.introspects(with: grantTypes)
        self.revokes = revokes
        self.isFirstParty = isFirstParty
        self.rotates = rotates
        self.retryWindowSeconds = retryWindowSeconds
        self.idTokenAlgorithm = idTokenAlgorithm
    }

    /// What a client is told at `/introspect` where nobody says otherwise: one that gets tokens itself is
    /// no resource server, and is told of its own alone, also where others have the same audience.
    package static func introspects(with grantTypes: [GrantType]) -> Client.Introspects {
        grantTypes.isEmpty ? .audience : .own
    }

    /// Everything that is wrong with it, in words for whoever registers it; empty if it may be.
    package var problems: [String] {
        var problems: [String] = []
        if name.isEmpty { problems.append("the name is empty") }
        if name.utf8.count > Limits.nameBytes {
            problems.append("the name is longer than \(Limits.nameBytes) bytes")
        }
        if name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
            problems.append("the name has a control character")
        }
        if method.isPublic, grantTypes.contains(.clientCredentials) {
            problems.append("a public client cannot have the grant client_credentials")
        }
        if grantTypes.contains(.refreshToken), !grantTypes.contains(.authorizationCode) {
            problems.append(
                "the grant refresh_token comes with authorization_code, and alone gives nothing")
        }
        if grantTypes.contains(.authorizationCode), redirectURIs.isEmpty {
            problems.append("the grant authorization_code needs a redirect URI (--redirect-uri)")
        }
        if method.isPublic, !rotates, grantTypes.contains(.refreshToken) {
            problems.append(
                "a public client's refresh tokens have to rotate (RFC 9700 §2.2.2)")
        }
        if redirectURIs.count + postLogoutRedirectURIs.count > Limits.redirectURIs {
            problems.append("there are more than \(Limits.redirectURIs) redirect URIs")
        }
        let backchannel = backchannelLogoutURI.map { [$0] } ?? []
        for uri in redirectURIs + postLogoutRedirectURIs + backchannel {
            if let problem = RedirectURI.problem(with: uri) {
                problems.append("the URI '\(uri)' \(problem)")
            }
        }
        for uri in redirectURIs {
            if let name = RedirectURI.answerParameter(in: uri) {
                problems.append(
                    "the redirect URI '\(uri)' has a parameter '\(name)', which the answer has itself"
                )
            }
        }
        if scope.description.utf8.count > Limits.scopeBytes {
            problems.append("the scope is longer than \(Limits.scopeBytes) bytes")
        }
        if audiences.count > Limits.audiences {
            problems.append("there are more than \(Limits.audiences) audiences")
        }
        for uri in audiences where !Client.isAudience(uri) {
            problems.append("the audience '\(uri)' is not an absolute URI without a fragment")
        }
        if !(0...3600).contains(retryWindowSeconds) {
            problems.append("the retry window is not between 0 and 3600 seconds")
        }
        return problems
    }
}
