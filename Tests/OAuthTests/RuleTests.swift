import OAuth
import Testing

@Suite struct ClientAuthenticationTests {
    private func basic(_ text: String) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var out = ""
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let chunk = bytes[start..<min(start + 3, bytes.count)]
            var value = chunk.reduce(0) { $0 << 8 | Int($1) }
            value <<= 8 * (3 - chunk.count)
            for index in 0..<4 {
                out.append(index <= chunk.count ? alphabet[value >> (18 - 6 * index) & 63] : "=")
            }
        }
        return "Basic " + out
    }

    @Test(arguments: [
        ("a:b", "a", "b"), ("a:", "a", ""), ("a%3Ab:c%3Ad", "a:b", "c:d"),
        ("a+b:c%2Bd", "a b", "c+d"),
        ("a:b:c", "a", "b:c"), ("%C3%A9:p%25", "é", "p%"),
    ])
    func readsBasic(text: String, id: String, secret: String) throws {
        let read = try PresentedCredentials(authorization: [basic(text)], form: Fixture.form(""))
        #expect(read.clientID == id)
        #expect(read.presented == .basic(Redacted(secret)))
    }

    @Test func theSchemeIsCaseInsensitive() throws {
        let header = "bAsIc " + basic("a:b").dropFirst(6)
        #expect(
            try PresentedCredentials(authorization: [header], form: Fixture.form("")).clientID
                == "a")
    }

    @Test(arguments: [
        "", "Basic", "Basic ", "Basic !!!", "Basic YQ==", "Bearer YTpi", "Basic YTo=YTo=", "YTpi",
    ])
    func badBasicIsABadClient(header: String) throws {
        let form = try Fixture.form("client_id=a&client_secret=b")
        let error = #expect(throws: OAuthError.self) {
            try PresentedCredentials(authorization: [header], form: form)
        }
        #expect(error?.code == .invalidClient)
    }

    @Test func twoMethodsAtOnceAreRefused() throws {
        for form in ["client_secret=b", "client_id=a&client_secret=b", "client_id=other"] {
            let error = #expect(throws: OAuthError.self) {
                try PresentedCredentials(authorization: [basic("a:b")], form: Fixture.form(form))
            }
            #expect(error?.code == .invalidRequest)
        }
        let read = try PresentedCredentials(
            authorization: [basic("a:b")], form: Fixture.form("client_id=a"))
        #expect(read.clientID == "a")
        #expect(throws: OAuthError.self) {
            try PresentedCredentials(
                authorization: [basic("a:b"), basic("a:b")], form: Fixture.form(""))
        }
    }

    enum Outcome { case accepted, refused, wrongSecret }

    @Test(
        arguments: [
            (.any, .basic(Redacted("right")), .accepted),
            (.any, .body(Redacted("right")), .accepted),
            (.basic, .basic(Redacted("right")), .accepted),
            (.basic, .body(Redacted("right")), .refused),
            (.post, .body(Redacted("right")), .accepted),
            (.post, .basic(Redacted("right")), .refused),
            (.any, .basic(Redacted("wrong")), .wrongSecret),
            (.any, .body(Redacted("")), .wrongSecret),
            (.any, .none, .refused), (.basic, .none, .refused), (.post, .none, .refused),
            (.none, .none, .accepted), (.none, .basic(Redacted("")), .refused),
            (.none, .body(Redacted("right")), .refused),
        ] as [(ClientRegistration.AuthenticationMethod, PresentedCredentials.Presented, Outcome)])
    func verifies(
        method: ClientRegistration.AuthenticationMethod, presented: PresentedCredentials.Presented,
        outcome: Outcome
    ) {
        let client = Fixture.client(
            method: method, secrets: method == .none ? [] : ["right", "old"])
        let credentials = PresentedCredentials(clientID: "client-1", presented: presented)
        for isDisabled in [false, true] {
            let state = isDisabled ? Fixture.client(method: method, isDisabled: true) : client
            do {
                _ = try AuthenticatedClient.verify(
                    credentials, client: state, readAt: UnixTime(seconds: 1))
                #expect(outcome == .accepted && !isDisabled)
            } catch {
                #expect(outcome != .accepted || isDisabled)
                #expect(error.error.code == .invalidClient)
                #expect(error.error.description == "the client authentication failed")
                if !isDisabled { #expect(error.isWrongSecret == (outcome == .wrongSecret)) }
            }
        }
    }

    @Test func bothSecretsServeWhileOneIsRotated() throws {
        let client = Fixture.client(secrets: ["new", "old"])
        for secret in ["new", "old"] {
            _ = try AuthenticatedClient.verify(
                PresentedCredentials(clientID: "client-1", presented: .body(Redacted(secret))),
                client: client, readAt: UnixTime(seconds: 1))
        }
    }

    @Test func anUnknownClientIsNoWrongSecret() {
        let error = #expect(throws: AuthenticatedClient.Failure.self) {
            try AuthenticatedClient.verify(
                PresentedCredentials(clientID: "nobody", presented: .body(Redacted("x"))),
                client: nil, readAt: UnixTime(seconds: 1))
        }
        #expect(error?.isWrongSecret == false)
    }
}

@Suite struct ClientCredentialsTests {
    @Test(arguments: [
        ("", "a b", ["https://r", "https://s"]), ("scope=b", "b", ["https://r", "https://s"]),
        ("scope=b+a+b", "b a", ["https://r", "https://s"]),
        ("resource=https://s", "a b", ["https://s"]),
        (
            "resource=https://s&resource=https://r&resource=https://s", "a b",
            ["https://s", "https://r"]
        ),
    ])
    func grants(form: String, scope: String, audience: [String]) throws {
        let client = Fixture.client(
            scope: ["a", "b", "openid", "offline_access"], audiences: ["https://r", "https://s"])
        let grant = try ClientCredentialsGrant(
            Fixture.form(form), client: Fixture.authenticated(client))
        let token = try #require(
            grant.issuance.token(
                id: Fixture.identifier(9), keyID: 1, at: UnixTime(seconds: 1000),
                lifetimeSeconds: 300))
        #expect(grant.issuance.scope.description == scope)
        #expect(token.scope?.description == scope)
        #expect(token.audience == audience)
    }

    @Test(
        arguments: [
            ("scope=c", .invalidScope), ("scope=%22", .invalidScope),
            // There is no person who could log in, or be away.
            ("scope=openid", .invalidScope), ("scope=a+offline_access", .invalidScope),
            ("resource=https://t", .invalidTarget),
            ("resource=https://r%23f", .invalidTarget), ("resource=r", .invalidTarget),
        ] as [(String, OAuthError.Code)])
    func refuses(form: String, code: OAuthError.Code) throws {
        let client = try Fixture.authenticated(
            Fixture.client(
                scope: ["a", "b", "openid", "offline_access"], audiences: ["https://r"]))
        let error = #expect(throws: OAuthError.self) {
            try ClientCredentialsGrant(Fixture.form(form), client: client)
        }
        #expect(error?.code == code)
    }

    @Test func onlyForRegisteredConfidentialClients() throws {
        for client in [
            Fixture.client(grants: []), Fixture.client(method: .none, secrets: []),
        ] {
            let error = #expect(throws: OAuthError.self) {
                try ClientCredentialsGrant(Fixture.form(""), client: Fixture.authenticated(client))
            }
            #expect(error?.code == .unauthorizedClient)
        }
    }

    @Test func scopeIsBounded() throws {
        _ = try Scope(String(repeating: "x", count: Limits.scopeBytes))
        #expect(throws: OAuthError.self) {
            try Scope(String(repeating: "x", count: Limits.scopeBytes + 1))
        }
    }

    @Test(arguments: [
        "password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "Client_Credentials",
    ])
    func unknownGrants(name: String) {
        let error = #expect(throws: OAuthError.self) { try GrantType(parameter: name) }
        #expect(error?.code == .unsupportedGrantType)
    }
}

@Suite struct RegistrationTests {
    @Test(arguments: [
        "https://app.example/cb", "https://app.example:8443/cb?x=1", "http://127.0.0.1/cb",
        "http://[::1]:9000/cb", "http://localhost:3000", "com.example.app:/cb",
        "https://app.example",
    ])
    func redirectURI(text: String) {
        #expect(RedirectURI.problem(with: text) == nil)
    }

    @Test(arguments: [
        "/cb", "cb", "", "//app.example/cb", "https://app.example/cb#f", "https://*.example/cb",
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "https://u@app.example/",
        "http://app.example/cb", "https:///cb", "https:app.example", "https://app.example/a b",
        "https://app.example/\\evil", "https://exämple/", "https://app.example/\n", "myapp:/cb",
        "http://127.0.0.1.evil.example/", "http://localhost.evil.example/", "https://:443/",
        "http://127.1/", "http://127.0.0.1@evil.example/", "vbscript:x", "file:///etc/passwd",
    ])
    func badRedirectURI(text: String) {
        #expect(RedirectURI.problem(with: text) != nil)
    }

    @Test(arguments: [
        ("a", true), ("photos-api", true), (String(repeating: "x", count: 255), true),
        (String(repeating: "x", count: 256), false), ("", false), ("a b", false), ("é", false),
        ("a\u{7F}", false), ("0197c3d2-4e5f-7a6b-8c9d-0123456789ab", false),
        ("https://client.example/id", true), ("a:b%c", true),
    ])
    func clientID(text: String, isValid: Bool) {
        #expect(Client.isClientID(text) == isValid)
    }

    @Test func problems() {
        var registration = ClientRegistration(
            name: "x", method: .none, grantTypes: [.clientCredentials],
            redirectURIs: ["/relative"], audiences: ["not absolute"], retryWindowSeconds: 3601)
        #expect(registration.problems.count == 4)
        registration = ClientRegistration(name: "", method: .any, grantTypes: [])
        #expect(registration.problems == [.nameEmpty])
        #expect(ClientRegistration(name: "x", method: .any, grantTypes: []).problems.isEmpty)
    }

    /// A client that gets tokens itself is no resource server, unless somebody says so.
    @Test(arguments: GrantType.allCases.map { [$0] } + [GrantType.allCases, []])
    func introspects(grantTypes: [GrantType]) {
        let registration = ClientRegistration(name: "x", method: .any, grantTypes: grantTypes)
        #expect(registration.introspects == (grantTypes.isEmpty ? .audience : .own))
        for introspects in [ClientRegistration.Introspects.own, .audience, .any] {
            let registration = ClientRegistration(
                name: "x", method: .any, grantTypes: grantTypes, introspects: introspects)
            #expect(registration.introspects == introspects)
        }
    }

    /// What the answer says would stand there twice (RFC 6749 §4.1.2, RFC 9207 §2).
    @Test(
        arguments: [
            ("https://app.example/cb?code=1", "code"),
            ("https://app.example/cb?x=1&state", "state"),
            ("https://app.example/cb?%65rror=", "error"), ("com.example.app:/cb?iss=x", "iss"),
            ("https://app.example/cb?error_description=x", "error_description"),
            ("https://app.example/cb?c%6fd%65=1&x=%ZZ", "code"),
            ("https://app.example/cb?codes=1&State=2&x=code", nil),
            ("https://app.example/code=1/state", nil), ("https://app.example/cb?", nil),
            ("https://app.example/cb?x?code=1", nil),
        ] as [(String, String?)])
    func answersHaveTheirOwnParameters(uri: String, name: String?) {
        let registration = ClientRegistration(
            name: "x", method: .any, grantTypes: [.authorizationCode], redirectURIs: [uri])
        #expect(registration.problems == (name.map { [.answerParameter($0, in: uri)] } ?? []))
        // What comes after a logout is no such answer.
        let after = ClientRegistration(
            name: "x", method: .any, grantTypes: [], postLogoutRedirectURIs: [uri])
        #expect(after.problems.isEmpty)
    }
}

@Suite struct IssuerTests {
    @Test(arguments: [
        ("https://login.example.com", "https://login.example.com", ""),
        ("https://login.example.com/", "https://login.example.com", ""),
        ("https://example.com/tenant/one", "https://example.com/tenant/one", "/tenant/one"),
        ("http://127.0.0.1:4444", "http://127.0.0.1:4444", ""),
        ("http://localhost:4444/x", "http://localhost:4444/x", "/x"),
    ])
    func accepts(given: String, text: String, path: String) throws {
        let issuer = try Issuer(given)
        #expect(issuer.text == text)
        #expect(issuer.path == path)
    }

    @Test(arguments: [
        "", "example.com", "http://example.com", "https://", "https://a/?q", "https://a/#f",
        "https://a//b", "https://a/b//", "https://a/../b", "ftp://a", "https://u@a", "https:/a",
        "https://:443", "https://a:99999", "https://a:", "https://a b",
        "http://127.0.0.1.evil.example",
    ])
    func refuses(text: String) {
        #expect(throws: Issuer.Invalid.self) { try Issuer(text) }
    }

    @Test func metadataNamesOnlyWhatWorks() throws {
        let document = Metadata.document(
            issuer: try Issuer("https://a.example/t"), languages: ["en", "de"])
        let methods = #""client_secret_basic","client_secret_post""#
        #expect(
            document
                == #"{"issuer":"https://a.example/t","#
                + #""authorization_endpoint":"https://a.example/t/authorize","#
                + #""token_endpoint":"https://a.example/t/token","#
                + #""revocation_endpoint":"https://a.example/t/revoke","#
                + #""introspection_endpoint":"https://a.example/t/introspect","#
                + #""userinfo_endpoint":"https://a.example/t/userinfo","#
                + #""jwks_uri":"https://a.example/t/jwks.json","#
                + #""end_session_endpoint":"https://a.example/t/logout","#
                + #""response_types_supported":["code"],"#
                + #""response_modes_supported":["query","form_post"],"#
                + #""code_challenge_methods_supported":["S256"],"#
                + #""authorization_response_iss_parameter_supported":true,"#
                + #""grant_types_supported":["authorization_code","refresh_token","#
                + #""client_credentials"],"#
                + #""token_endpoint_auth_methods_supported":[\#(methods),"none"],"#
                + #""revocation_endpoint_auth_methods_supported":[\#(methods),"none"],"#
                + #""introspection_endpoint_auth_methods_supported":[\#(methods)],"#
                + #""subject_types_supported":["public"],"#
                + #""id_token_signing_alg_values_supported":["RS256","ES256"],"#
                + #""scopes_supported":["openid","profile","email","offline_access"],"#
                + #""claims_supported":["sub","preferred_username","name","updated_at","email","#
                + #""email_verified","iss","aud","exp","iat","auth_time","nonce","acr","amr","#
                + #""sid"],"acr_values_supported":["1"],"#
                + #""prompt_values_supported":["none","login","consent","select_account"],"#
                + #""ui_locales_supported":["en","de"]}"#
        )
    }
}
