import OAuth
import Testing

/// A request at `/authorize`: where its answer goes, and what is refused how.
@Suite struct AuthorizationRequestTests {
    static let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    static let pkce = "&code_challenge=\(challenge)&code_challenge_method=S256"
    static let uri = "&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"
    static let right = "response_type=code" + uri + pkce

    static func request(
        _ form: String = right, client: Client = Fixture.app()
    ) throws -> AuthorizationRequest {
        let form = try Fixture.form(form)
        let (address, isSent) = try AuthorizationRequest.address(form, client: client)
        return try AuthorizationRequest(
            form, client: client, address: address, isRedirectURISent: isSent)
    }

    // MARK: Errors on a page

    static let two = ["https://app.example/cb", "https://app.example/other"]

    /// Without a client and a redirect URI that are known, nothing is redirected.
    @Test(
        arguments: [
            (nil, right), (Fixture.app(isDisabled: true), right),
            (Fixture.app(redirectURIs: two), "response_type=code" + pkce),
            (Fixture.app(redirectURIs: []), "response_type=code" + pkce),
            (Fixture.app(redirectURIs: []), right),
            (Fixture.app(), right.replacing("app.example", with: "evil.example")),
            (Fixture.app(), right.replacing("%2Fcb", with: "%2Fcb%2F")),
            (Fixture.app(), right.replacing("%2Fcb", with: "%2Fcb%23f")),
            (Fixture.app(redirectURIs: ["javascript:alert(1)"]), "response_type=code" + pkce),
        ] as [(Client?, String)])
    func areForAPage(client: Client?, form: String) throws {
        // Every mistake beside it is unsaid.
        for extra in ["", "&state=x&response_mode=form_post", "&prompt=bad&scope=nonsense"] {
            let parsed = try Fixture.form(form + extra)
            let error = #expect(throws: OAuthError.self) {
                _ = try AuthorizationRequest.address(parsed, client: client)
            }
            #expect(error?.code == .invalidRequest)
        }
    }

    // MARK: Errors for the client

    @Test func theNonceIsBounded() throws {
        let longest = String(repeating: "n", count: Limits.nonceBytes)
        #expect(try Self.request(Self.right + "&nonce=\(longest)").nonce == longest)
        let refusal = #expect(throws: AuthorizationRequest.Refusal.self) {
            _ = try Self.request(Self.right + "&nonce=\(longest)n")
        }
        #expect(refusal?.error.code == .invalidRequest)
    }

    @Test(
        arguments: [
            ("response_type=code" + uri, .invalidRequest),
            (uri + pkce, .invalidRequest), ("response_type=" + uri + pkce, .invalidRequest),
            ("response_type=token" + uri + pkce, .unsupportedResponseType),
            ("response_type=code+id_token" + uri + pkce, .unsupportedResponseType),
            ("response_type=Code" + uri + pkce, .unsupportedResponseType),
            (right.replacing("S256", with: "plain"), .invalidRequest),
            (right.replacing("S256", with: "s256"), .invalidRequest),
            (right.replacing("&code_challenge_method=S256", with: ""), .invalidRequest),
            (right.replacing(challenge, with: "short"), .invalidRequest),
            (right + "&scope=c", .invalidScope), (right + "&scope=%22", .invalidScope),
            (right + "&resource=https://t", .invalidTarget),
            (right + "&resource=https://r%23f", .invalidTarget),
            (right + "&prompt=none+login", .invalidRequest),
            (right + "&prompt=Login", .invalidRequest), (right + "&prompt=x", .invalidRequest),
            (right + "&max_age=-1", .invalidRequest), (right + "&max_age=1.5", .invalidRequest),
            (right + "&max_age=%2B1", .invalidRequest), (right + "&max_age=1+", .invalidRequest),
            (right + "&response_mode=fragment", .invalidRequest),
            (right + "&response_mode=Query", .invalidRequest),
            (right + "&request=x", .requestNotSupported),
            (right + "&request_uri=x", .requestURINotSupported),
        ] as [(String, OAuthError.Code)])
    func areToldToTheClient(form: String, expected: OAuthError.Code) throws {
        let refusal = #expect(throws: AuthorizationRequest.Refusal.self) {
            try Self.request(form + "&state=a%20b")
        }
        #expect(refusal?.error.code == expected)
        #expect(refusal?.address.redirectURI.text == "https://app.example/cb")
        #expect(refusal?.address.mode == .query)
        // The state comes back with an error too, and so does the issuer.
        let parameters = try #require(refusal).address.parameters(
            try #require(refusal).parameters, issuer: "https://i")
        #expect(parameters.map(\.0) == ["error", "error_description", "state", "iss"])
        #expect(parameters.first?.1 == expected.rawValue)
        #expect(parameters[2].1 == "a b")
        #expect(parameters[3].1 == "https://i")
    }

    @Test func aClientWithoutTheGrant() {
        let refusal = #expect(throws: AuthorizationRequest.Refusal.self) {
            try Self.request(client: Fixture.app(grants: [.refreshToken]))
        }
        #expect(refusal?.error.code == .unauthorizedClient)
    }

    // MARK: State, mode, issuer

    @Test(
        arguments: [
            ("", nil, true), ("&state=", nil, true), ("&state=xyz", "xyz", true),
            ("&state=a+b%21~", "a b!~", true), ("&state=%22%27%3Cscript%3E", "\"'<script>", true),
            ("&state=%26%3D%23%3F", "&=#?", true), ("&state=%0A", nil, false),
            ("&state=%0D%0ASet-Cookie:x", nil, false), ("&state=%7F", nil, false),
            ("&state=a%09b", nil, false), ("&state=%C2%85", nil, false),
            ("&state=%C3%A9", "é", true),
            ("&state=e%CC%81%E5%AF%86", "e\u{301}密", true),
        ] as [(String, String?, Bool)])
    func state(extra: String, state: String?, isFine: Bool) throws {
        do {
            let request = try Self.request(Self.right + extra)
            #expect(isFine)
            #expect(request.address.state.map { Array($0.utf8) } == state.map { Array($0.utf8) })
            let expected = (state.map { [$0] } ?? []) + ["https://i"]
            let parameters = request.address.parameters([("code", "c")], issuer: "https://i")
            #expect(parameters.map(\.1) == ["c"] + expected)
        } catch let refusal as AuthorizationRequest.Refusal {
            #expect(!isFine)
            #expect(refusal.error.code == .invalidRequest)
            // One that cannot come back as it was does not come back.
            #expect(refusal.address.state == nil)
        }
    }

    @Test(
        arguments: [
            ("", .query), ("&response_mode=query", .query),
            ("&response_mode=form_post", .formPost), ("&response_mode=", .query),
        ] as [(String, AuthorizationRequest.ResponseMode)])
    func mode(extra: String, mode: AuthorizationRequest.ResponseMode) throws {
        #expect(try Self.request(Self.right + extra).address.mode == mode)
        let refusal = #expect(throws: AuthorizationRequest.Refusal.self) {
            try Self.request(Self.right + extra + "&scope=c")
        }
        #expect(refusal?.address.mode == mode)
    }

    // MARK: What it asks for

    @Test func reads() throws {
        let request = try Self.request(
            Self.right + "&scope=b+openid&nonce=n&login_hint=ada&max_age=0&prompt=login+consent"
                + "&resource=https://s&unknown=x")
        #expect(request.scope.tokens == ["b", "openid"])
        #expect(request.audience == ["https://s"])
        #expect(request.nonce == "n")
        #expect(request.loginHint == "ada")
        #expect(request.maxAgeSeconds == 0)
        #expect(request.prompt == [.login, .consent])
        #expect(request.isRedirectURISent)
        #expect(!request.isOffline)
        let plain = try Self.request("response_type=code" + Self.pkce)
        #expect(plain.scope.tokens == ["a", "b"])
        #expect(plain.audience == ["https://r", "https://s"])
        #expect(!plain.isRedirectURISent)
        #expect(plain.prompt.isEmpty)
        #expect(plain.maxAgeSeconds == nil)
    }

    /// Only a client with refresh tokens can use anything offline.
    @Test(
        arguments: [
            ([.authorizationCode, .refreshToken], "offline_access+a", true),
            ([.authorizationCode, .refreshToken], "a", false),
            ([.authorizationCode], "offline_access+a", false),
        ] as [([GrantType], String, Bool)])
    func offline(grants: [GrantType], scope: String, isOffline: Bool) throws {
        let request = try Self.request(
            Self.right + "&scope=" + scope, client: Fixture.app(grants: grants))
        #expect(request.isOffline == isOffline)
        #expect(request.scope.contains("offline_access") == isOffline)
        #expect(request.scope.contains("a"))
    }
}

/// What comes next: a login, the question, an answer, or a refusal.
@Suite struct AuthorizationStepTests {
    enum Next: Sendable { case login, consent, issue, loginRequired, consentRequired }

    static func login(authenticatedAt: Int64 = 900) throws -> SessionUser {
        var random = SystemRandomNumberGenerator()
        let cookie = SessionCookie(session: Fixture.identifier(30), using: &random)
        guard
            case .alive(let user) = SessionUser.verify(
                cookie, session: Fixture.session(authenticatedAt: authenticatedAt),
                secrets: SessionUser.Secrets(present: cookie.secretHash, previous: nil),
                user: Fixture.user, at: UnixTime(seconds: 1_500))
        else { throw Fixture.Dead() }
        return user
    }

    private func next(
        _ extra: String, client: Client = Fixture.app(), isLoggedIn: Bool, isFresh: Bool = false,
        authenticatedAt: Int64 = 900, remembered: [String]? = ["a", "b"]
    ) throws -> Next {
        let request = try AuthorizationRequestTests.request(
            AuthorizationRequestTests.right + extra, client: client)
        let step = request.step(
            AuthorizationRequest.Facts(
                login: isLoggedIn ? try Self.login(authenticatedAt: authenticatedAt) : nil,
                isFreshLogin: isFresh, remembered: remembered.map(Scope.init(stored:)),
                now: UnixTime(seconds: 1_500)))
        switch step {
        case .login: return .login
        case .consent: return .consent
        case .issue: return .issue
        case .refuse(let refusal):
            #expect(refusal.address == request.address)
            return refusal.error.code == .loginRequired ? .loginRequired : .consentRequired
        }
    }

    /// (what is asked, nobody logged in, somebody was before, somebody has just now)
    @Test(
        arguments: [
            ("", .login, .issue, .issue), ("&prompt=none", .loginRequired, .issue, .issue),
            ("&prompt=login", .login, .login, .issue),
            ("&prompt=select_account", .login, .login, .issue),
            ("&prompt=consent", .login, .consent, .consent),
            ("&prompt=login+consent", .login, .login, .consent),
            ("&max_age=0", .login, .login, .issue),
            ("&max_age=599", .login, .login, .issue), ("&max_age=600", .login, .login, .issue),
            ("&max_age=601", .login, .issue, .issue),
            ("&max_age=9223372036854775807", .login, .issue, .issue),
            ("&max_age=600&prompt=none", .loginRequired, .loginRequired, .issue),
            ("&max_age=601&prompt=none", .loginRequired, .issue, .issue),
            ("&max_age=601&prompt=login", .login, .login, .issue),
        ] as [(String, Next, Next, Next)])
    func logins(extra: String, nobody: Next, before: Next, justNow: Next) throws {
        #expect(try next(extra, isLoggedIn: false) == nobody)
        #expect(try next(extra, isLoggedIn: true) == before)
        #expect(try next(extra, isLoggedIn: true, isFresh: true) == justNow)
    }

    /// A login of this very second is no answer to `max_age=0`, unless it was made for it.
    @Test func maxAgeZero() throws {
        #expect(try next("&max_age=0", isLoggedIn: true, authenticatedAt: 1_500) == .login)
        #expect(try next("&max_age=1", isLoggedIn: true, authenticatedAt: 1_500) == .issue)
    }

    private static let https = ["https://app.example/cb"]
    private static let loopback = ["http://127.0.0.1/cb"]
    private static let scheme = ["com.example.app:/cb"]

    /// (public, first party, redirect URIs, what was remembered, asks again)
    @Test(
        arguments: [
            (false, false, https, ["a", "b"], false),
            (false, false, https, ["b", "a", "c"], false),
            (false, false, https, ["a"], true), (false, false, https, [], true),
            (false, false, https, nil, true),
            // Anybody can use a public client's id, so what was allowed before proves nothing.
            (true, false, https, ["a", "b"], true), (true, false, loopback, ["a", "b"], true),
            (false, true, https, nil, false), (true, true, https, nil, false),
            (true, true, loopback, ["a", "b"], true), (true, true, scheme, ["a", "b"], true),
            (false, true, loopback, ["a", "b"], false), (false, true, loopback, nil, true),
            (false, true, scheme, nil, true),
        ] as [(Bool, Bool, [String], [String]?, Bool)])
    func consents(
        isPublic: Bool, isFirstParty: Bool, redirectURIs: [String], remembered: [String]?,
        asks: Bool
    ) throws {
        let client = Fixture.app(
            isPublic: isPublic, redirectURIs: redirectURIs, isFirstParty: isFirstParty)
        func next(_ extra: String) throws -> Next {
            let request = try AuthorizationRequestTests.request(
                "response_type=code" + AuthorizationRequestTests.pkce + extra, client: client)
            let step = request.step(
                AuthorizationRequest.Facts(
                    login: try Self.login(), isFreshLogin: false,
                    remembered: remembered.map(Scope.init(stored:)),
                    now: UnixTime(seconds: 1_500)))
            return switch step {
            case .login: .login
            case .consent: .consent
            case .issue: .issue
            case .refuse(let refusal):
                refusal.error.code == .consentRequired ? .consentRequired : .loginRequired
            }
        }
        #expect(try next("") == (asks ? .consent : .issue))
        #expect(try next("&prompt=none") == (asks ? .consentRequired : .issue))
        // Whoever wants to be asked about is, the operator's own applications too.
        #expect(try next("&prompt=consent") == .consent)
    }

    /// Asking for nothing is covered by whatever was allowed, and asking for more is not.
    @Test func moreThanWasRemembered() throws {
        #expect(try next("&scope=a", isLoggedIn: true, remembered: ["a"]) == .issue)
        #expect(
            try next("&scope=a+offline_access", isLoggedIn: true, remembered: ["a"]) == .consent)
        #expect(try next("&scope=openid", isLoggedIn: true, remembered: []) == .consent)
    }
}
