/// What is registered about a client: everything but its identity, secrets and state.
package struct ClientRegistration: Sendable, Equatable {
    package var name: String
    package var method: AuthenticationMethod
    package var grantTypes: [GrantType]
    package var redirectURIs: [String]
    package var postLogoutRedirectURIs: [String]
    package var backchannelLogoutURI: String?
    package var scope: Scope
    package var audiences: [String]
    package var introspects: Introspects
    package var revokes: Revokes
    package var isFirstParty: Bool
    /// Whether its refresh tokens are replaced at each use.
    package var rotates: Bool
    /// How long after its use a refresh token is answered with the same successor.
    package var retryWindowSeconds: Int32
    /// How its ID tokens are signed.
    package var idTokenAlgorithm: SigningAlgorithm

    package init(
        name: String, method: AuthenticationMethod, grantTypes: [GrantType],
        redirectURIs: [String] = [], postLogoutRedirectURIs: [String] = [],
        backchannelLogoutURI: String? = nil, scope: Scope = .none, audiences: [String] = [],
        introspects: Introspects? = nil, revokes: Revokes = .token,
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
    package static func introspects(with grantTypes: [GrantType]) -> Introspects {
        grantTypes.isEmpty ? .audience : .own
    }

    /// What can be wrong with a registration.
    package enum Problem: Sendable, Hashable {
        case nameEmpty
        case nameTooLong
        case nameWithControlCharacter
        case clientCredentialsForPublicClient
        case refreshTokenAlone
        case noRedirectURI
        case publicClientWithoutRotation
        case tooManyRedirectURIs
        case uri(String, problem: String)
        /// A redirect URI has a parameter that every answer has.
        case answerParameter(String, in: String)
        case scopeTooLong
        case tooManyAudiences
        case audience(String)
        case retryWindow
    }

    /// Everything that is wrong with it; empty if it may be.
    package var problems: [Problem] {
        var problems: [Problem] = []
        if name.isEmpty { problems.append(.nameEmpty) }
        if name.utf8.count > Limits.nameBytes { problems.append(.nameTooLong) }
        if name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
            problems.append(.nameWithControlCharacter)
        }
        if method.isPublic, grantTypes.contains(.clientCredentials) {
            problems.append(.clientCredentialsForPublicClient)
        }
        if grantTypes.contains(.refreshToken), !grantTypes.contains(.authorizationCode) {
            problems.append(.refreshTokenAlone)
        }
        if grantTypes.contains(.authorizationCode), redirectURIs.isEmpty {
            problems.append(.noRedirectURI)
        }
        if method.isPublic, !rotates, grantTypes.contains(.refreshToken) {
            problems.append(.publicClientWithoutRotation)
        }
        if redirectURIs.count + postLogoutRedirectURIs.count > Limits.redirectURIs {
            problems.append(.tooManyRedirectURIs)
        }
        let backchannel = backchannelLogoutURI.map { [$0] } ?? []
        for uri in redirectURIs + postLogoutRedirectURIs + backchannel {
            if let problem = RedirectURI.problem(with: uri) {
                problems.append(.uri(uri, problem: problem))
            }
        }
        for uri in redirectURIs {
            if let name = RedirectURI.answerParameter(in: uri) {
                problems.append(.answerParameter(name, in: uri))
            }
        }
        if scope.description.utf8.count > Limits.scopeBytes { problems.append(.scopeTooLong) }
        if audiences.count > Limits.audiences { problems.append(.tooManyAudiences) }
        for uri in audiences where !Self.isAudience(uri) { problems.append(.audience(uri)) }
        if !(0...3600).contains(retryWindowSeconds) { problems.append(.retryWindow) }
        return problems
    }
}

extension ClientRegistration.Problem: CustomStringConvertible {
    /// In words for whoever registers the client.
    package var description: String {
        switch self {
        case .nameEmpty: "the name is empty"
        case .nameTooLong: "the name is longer than \(Limits.nameBytes) bytes"
        case .nameWithControlCharacter: "the name has a control character"
        case .clientCredentialsForPublicClient:
            "a public client cannot have the grant client_credentials"
        case .refreshTokenAlone:
            "the grant refresh_token comes with authorization_code, and alone gives nothing"
        case .noRedirectURI: "the grant authorization_code needs a redirect URI"
        case .publicClientWithoutRotation:
            "a public client's refresh tokens have to rotate (RFC 9700 §2.2.2)"
        case .tooManyRedirectURIs: "there are more than \(Limits.redirectURIs) redirect URIs"
        case .uri(let uri, let problem): "the URI '\(uri)' \(problem)"
        case .answerParameter(let name, let uri):
            "the redirect URI '\(uri)' has a parameter '\(name)', which the answer has itself"
        case .scopeTooLong: "the scope is longer than \(Limits.scopeBytes) bytes"
        case .tooManyAudiences: "there are more than \(Limits.audiences) audiences"
        case .audience(let uri):
            "the audience '\(uri)' is not an absolute URI without a fragment"
        case .retryWindow: "the retry window is not between 0 and 3600 seconds"
        }
    }
}

extension ClientRegistration {
    /// How a client authenticates.
    package enum AuthenticationMethod: String, Sendable, CaseIterable {
        /// A secret by HTTP Basic or in the body, as the client likes: no method was asked for.
        case any
        case basic
        case post
        /// A public client, without a secret.
        case none

        package var isPublic: Bool { self == .none }

        /// Whether a client of this method may send its secret in this way.
        package func accepts(_ way: SecretWay) -> Bool {
            switch self {
            case .any: true
            case .basic: way == .basic
            case .post: way == .post
            case .none: false
            }
        }
    }

    /// How a secret comes with a request (RFC 6749 §2.3.1), by its name in the metadata (RFC 8414 §2
    /// `token_endpoint_auth_methods_supported`).
    package enum SecretWay: String, Sendable, CaseIterable {
        case basic = "client_secret_basic"
        case post = "client_secret_post"
    }

    /// What a client is told at `/introspect`.
    package enum Introspects: String, Sendable, CaseIterable {
        /// Its own tokens.
        case own
        /// Also tokens whose audience is its client id or one of its audiences.
        case audience
        /// All tokens.
        case any
    }

    /// What the revocation of one of its access tokens ends.
    package enum Revokes: String, Sendable, CaseIterable {
        case token
        case grant
    }

    /// Whether a text can be an audience: an absolute URI without a fragment (RFC 8707 §2).
    package static func isAudience(_ text: String) -> Bool {
        (1...Limits.audienceBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }
            && RedirectURI.scheme(of: text) != nil
    }
}
