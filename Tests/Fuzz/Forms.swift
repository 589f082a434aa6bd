import OAuth
import Web

/// What clients and browsers send as forms, and where answers go.
enum Forms {
    private static let client = Client(
        id: Identifier(high: 1, low: 1), clientID: "app",
        registration: ClientRegistration(
            name: "App", method: .any, grantTypes: GrantType.allCases,
            redirectURIs: ["https://app.example/cb", "http://127.0.0.1/cb"],
            scope: Scope(stored: ["a", "openid", "offline_access"]),
            audiences: ["https://api.example"], introspects: .any),
        secretHashes: [ClientSecret.hash(Redacted("secret"))], epoch: 1, isDisabled: false)
    private static let now = UnixTime(seconds: 1_800_000_000)
    private static let nothing = Identifier(high: 0, low: 0)

    static func examine(form bytes: [UInt8]) {
        if let form = try? Form(parsing: bytes) { answer(form) }
        var repeated: Set<String> = []
        if let form = try? Form(parsing: bytes, repeated: &repeated) { authorize(form, repeated) }
        let text = String(decoding: bytes, as: UTF8.self)
        _ = Form.isForm(contentType: text)
        // What was written is read as it was.
        precondition(bytes.contains(0) || Form.decode(Form.encode(text).utf8) == text)
    }

    private static func answer(_ form: Form) {
        guard
            let caller = try? AuthenticatedClient.verify(
                PresentedCredentials(clientID: "app", presented: .body(Redacted("secret"))),
                client: client, readAt: now)
        else { preconditionFailure("the client has this secret") }
        _ = try? ClientCredentialsGrant(form, client: caller)
        let state = Liveness.State(readAt: now, client: nil)
        let code = AuthorizationCode(id: nothing, keyID: 1)
        let challenge = CodeChallenge(hash: digest(form["code_verifier"] ?? ""))
        let row = CodeState(
            client: client.id, clientEpoch: 1, userEpoch: 1, session: nothing,
            scope: client.registration.scope, audience: client.registration.audiences,
            redirectURI: client.registration.redirectURIs[0], isRedirectURISent: false,
            challenge: challenge,
            expiresAt: now, redemption: nil)
        _ = AuthorizationCodeGrant.decide(form, client: caller, code: code, row: row, in: state)
        _ = RefreshTokenGrant.decide(
            form, client: caller, token: RefreshToken(grant: nothing, generation: 1, keyID: 1),
            in: state)
    }

    private static func authorize(_ form: Form, _ repeated: Set<String>) {
        guard let (address, isSent) = try? AuthorizationRequest.address(form, client: client)
        else { return }
        do {
            let request = try AuthorizationRequest(
                form, repeated: repeated, client: client, address: address,
                isRedirectURISent: isSent)
            _ = request.step(
                .init(login: nil, isFreshLogin: false, remembered: nil, now: now))
        } catch {
            let parameters = address.parameters(error.parameters, issuer: "https://issuer.example")
            _ = address.redirectURI.adding(parameters)
        }
    }

    static func examine(credentials bytes: [UInt8]) {
        let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
        let header = String(decoding: bytes[..<end], as: UTF8.self)
        guard let form = try? Form(parsing: bytes[end...].dropFirst()) else { return }
        for headers in [[], [header], [header, header]] {
            guard
                let presented = try? PresentedCredentials(authorization: headers, form: form)
            else { continue }
            _ = Client.isClientID(presented.clientID)
            _ = try? AuthenticatedClient.verify(presented, client: client, readAt: now)
        }
    }

    static func examine(redirect bytes: [UInt8]) {
        let lines = lines(bytes)
        let (registered, requested) = (lines[0], lines.last ?? "")
        _ = RedirectURI.answerParameter(in: registered)
        _ = RedirectURI.scheme(of: registered)
        _ = RedirectURI.isLoopback(authority: registered)
        _ = ClientRegistration.isAudience(registered)
        _ = try? Issuer(registered)
        _ = ContentSecurityPolicy.source(for: registered)
        _ =
            ClientRegistration(
                name: registered, method: .any, grantTypes: [], redirectURIs: lines,
                audiences: lines
            ).problems
        guard let uri = RedirectURI(requested, registered: [registered]) else { return }
        precondition(RedirectURI.problem(with: uri.text) == nil)
        _ = uri.destination
        _ = FormTargets([uri.adding([("code", requested)])])
    }
}
