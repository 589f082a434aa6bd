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
        ] as [(Client.AuthenticationMethod, PresentedCredentials.Presented, Outcome)])
    func verifies(
        method: Client.AuthenticationMethod, presented: PresentedCredentials.Presented,
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

@Suite struct LivenessTests {
    static let alive = Liveness.ClientState(clientID: "c", epoch: 1, isDisabled: false)

    /// Every row state alone, and each pair with a dead one: no cause masks another.
    @Test(
        arguments: [
            (1_999, false, false, alive, .alive),
            (2_000, false, false, alive, .dead(.expired)),
            (0, true, false, alive, .dead(.tokenRevoked)),
            (0, false, true, alive, .dead(.secretRetired)),
            (0, false, false, nil, .dead(.clientMissing)),
            (
                0, false, false, .init(clientID: "c", epoch: 1, isDisabled: true),
                .dead(.clientDisabled)
            ),
            (
                0, false, false, .init(clientID: "c", epoch: 2, isDisabled: false),
                .dead(.clientEnded)
            ),
            (
                0, false, false, .init(clientID: "c", epoch: 0, isDisabled: false),
                .dead(.clientEnded)
            ),
            (9_000, true, true, nil, .dead(.tokenRevoked)),
            (
                9_000, false, false, .init(clientID: "c", epoch: 2, isDisabled: true),
                .dead(.clientDisabled)
            ),
        ] as [(Int64, Bool, Bool, Liveness.ClientState?, Liveness)])
    func decides(
        now: Int64, isTokenRevoked: Bool, isSecretRetired: Bool, client: Liveness.ClientState?,
        expected: Liveness
    ) {
        let state = Liveness.State(
            readAt: UnixTime(seconds: now), isTokenRevoked: isTokenRevoked,
            isSecretRetired: isSecretRetired, client: client)
        #expect(Liveness.of(Fixture.token(), in: state) == expected)
    }

    @Test func everyCombinationWithADeadPartIsDead() {
        let clients: [Liveness.ClientState?] = [
            Self.alive, nil, .init(clientID: "c", epoch: 1, isDisabled: true),
            .init(clientID: "c", epoch: 2, isDisabled: false),
        ]
        for revoked in [false, true] {
            for retired in [false, true] {
                for (index, client) in clients.enumerated() {
                    for now: Int64 in [1_500, 2_500] {
                        let state = Liveness.State(
                            readAt: UnixTime(seconds: now), isTokenRevoked: revoked,
                            isSecretRetired: retired, client: client)
                        let isAlive = !revoked && !retired && index == 0 && now < 2_000
                        #expect((Liveness.of(Fixture.token(), in: state) == .alive) == isAlive)
                    }
                }
            }
        }
    }
}

@Suite struct IntrospectionTests {
    @Test(
        arguments: [
            (1, .own, [], [], true), (2, .own, ["https://a"], ["https://a"], false),
            (2, .audience, ["https://a"], ["https://a"], true),
            (2, .audience, ["https://b"], ["https://a"], false),
            (2, .audience, [], ["client-2"], true), (2, .audience, ["https://a"], [], false),
            (2, .any, [], [], true), (1, .audience, [], [], true),
        ] as [(UInt64, Client.Introspects, [String], [String], Bool)])
    func tells(
        caller: UInt64, introspects: Client.Introspects, audiences: [String], aud: [String],
        expected: Bool
    ) {
        let client = Fixture.client(caller, audiences: audiences, introspects: introspects)
        #expect(Introspection.mayKnow(client, about: Fixture.token(audience: aud)) == expected)
    }

    @Test func publicClientsMayNotAsk() {
        let error = #expect(throws: OAuthError.self) {
            try Introspection.requireMayAsk(Fixture.client(method: .none, secrets: []))
        }
        #expect(error?.code == .invalidClient)
    }

    @Test func answers() {
        #expect(Introspection.inactive == #"{"active":false}"#)
        #expect(
            Introspection.active(
                Fixture.token(audience: ["https://a"]), clientID: "c", issuer: "https://i")
                == #"{"active":true,"token_type":"Bearer","token_use":"access_token","client_id":"c","#
                + #""sub":"c","scope":"a","iss":"https://i","aud":"https://a","exp":2000,"iat":1000,"#
                + #""nbf":1000,"jti":"00000000-0000-004d-ffff-ffffffffffb2"}"#)
        #expect(
            Introspection.active(
                Fixture.token(scope: [], audience: ["a:b", "c:d"]), clientID: "c", issuer: "i"
            ).contains(#""iss":"i","aud":["a:b","c:d"],"#))
    }
}

@Suite struct RevocationTests {
    @Test func anothersTokenIsRefused() throws {
        let caller = try Fixture.authenticated(Fixture.client(2))
        let error = #expect(throws: OAuthError.self) {
            try RevocationDecision.decide(Fixture.token(), by: caller)
        }
        #expect(error?.code == .invalidGrant)
    }

    /// A token is ended in earnest up to an hour after its expiry.
    @Test(arguments: [(1_500, true), (2_000, true), (5_600, true), (5_601, false)])
    func expiry(now: Int64, ends: Bool) throws {
        let caller = try Fixture.authenticated(Fixture.client(), at: now)
        let decision = try RevocationDecision.decide(Fixture.token(), by: caller)
        #expect(decision == (ends ? .end(Fixture.token()) : .nothing))
    }

    @Test func whatIsNoTokenEndsNothing() throws {
        #expect(
            try RevocationDecision.decide(nil, by: Fixture.authenticated(Fixture.client()))
                == .nothing)
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
        #expect(grant.scope.description == scope)
        #expect(grant.audience == audience)
    }

    @Test(
        arguments: [
            ("scope=c", .invalidScope), ("scope=%22", .invalidScope),
            ("resource=https://t", .invalidTarget),
            ("resource=https://r%23f", .invalidTarget), ("resource=r", .invalidTarget),
        ] as [(String, OAuthError.Code)])
    func refuses(form: String, code: OAuthError.Code) throws {
        let client = try Fixture.authenticated(Fixture.client(audiences: ["https://r"]))
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
        #expect(registration.problems == ["the name is empty"])
        #expect(ClientRegistration(name: "x", method: .any, grantTypes: []).problems.isEmpty)
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
        let document = Metadata.document(issuer: try Issuer("https://a.example/t"))
        #expect(
            document
                == #"{"issuer":"https://a.example/t","token_endpoint":"https://a.example/t/token","#
                + #""revocation_endpoint":"https://a.example/t/revoke","#
                + #""introspection_endpoint":"https://a.example/t/introspect","#
                + #""grant_types_supported":["client_credentials"],"#
                + #""token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],"#
                + #""revocation_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","none"],"#
                + #""introspection_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"]}"#
        )
    }
}

@Suite struct ThrottleTests {
    @Test(arguments: [(1, false), (50, false), (51, true), (9_999, true)])
    func counts(count: Int, refuses: Bool) {
        let throttle = Throttle.clientSecret(clientID: "a", network: "127.0.0.1")
        let refusal = throttle.refusal(count: count, secondsLeft: 0)
        #expect((refusal != nil) == refuses)
        if let refusal {
            #expect(refusal.code == .tooManyRequests)
            #expect(refusal.retryAfterSeconds == 1)
        }
    }

    @Test func keysTellClientsAndNetworksApart() {
        let keys = [("a", "b"), ("a", "c"), ("b", "b"), ("a b", "")].map {
            Throttle.clientSecret(clientID: $0.0, network: $0.1).key
        }
        #expect(Set(keys).count == 4)
    }
}
