/// A request at `/authorize` that may be answered (RFC 6749 §4.1.1, RFC 9700 §2.1).
package struct AuthorizationRequest: Sendable {
    /// How the answer reaches the client (OAuth 2.0 Multiple Response Types §2.1, Form Post).
    package enum ResponseMode: String, Sendable, CaseIterable {
        case query
        case formPost = "form_post"
    }

    /// What the client wants the person to be asked (OpenID Connect Core §3.1.2.1).
    package enum Prompt: String, Sendable, CaseIterable {
        case none
        case login
        case consent
        case selectAccount = "select_account"
    }

    /// Where every answer to a request goes, errors too.
    package struct ReturnAddress: Sendable, Equatable {
        package let redirectURI: RedirectURI
        package let mode: ResponseMode
        package let state: String?

        /// The parameters of an answer, with `state`, and `iss` as in the metadata (RFC 9207 §2).
        package func parameters(
            _ answer: [(String, String)], issuer: String
        ) -> [(String, String)] {
            answer + (state.map { [("state", $0)] } ?? []) + [("iss", issuer)]
        }
    }

    /// A refusal that the client is told, at its own address.
    package struct Refusal: Error, Sendable, Equatable {
        package let error: OAuthError
        package let address: ReturnAddress

        /// The parameters that say it (RFC 6749 §4.1.2.1).
        package var parameters: [(String, String)] {
            [("error", error.code.rawValue), ("error_description", error.description)]
        }
    }

    package let client: Client
    package let address: ReturnAddress
    /// Whether the request named its redirect URI; then the redemption must, too.
    package let isRedirectURISent: Bool
    package let scope: Scope
    package let audience: [String]
    package let challenge: CodeChallenge
    package let nonce: String?
    package let prompt: Set<Prompt>
    package let maxAgeSeconds: Int64?
    package let loginHint: String?

    /// Finds where an answer may go. What is thrown here is for a page, never for a redirect
    /// (RFC 6749 §3.1.2.4).
    package static func address(
        _ form: Form, client: Client?
    ) throws(OAuthError) -> (ReturnAddress, isSent: Bool) {
        guard let client, !client.isDisabled else {
            throw OAuthError(
                .unknownClient, detail: client == nil ? "unknown client" : "disabled client")
        }
        let sent = form["redirect_uri"]
        let registered = client.registration.redirectURIs
        guard let text = sent ?? (registered.count == 1 ? registered[0] : nil)
        else { throw OAuthError(.missing(parameter: "redirect_uri")) }
        guard let uri = RedirectURI(text, registered: registered) else {
            throw OAuthError(.unknownRedirectURI)
        }
        let mode = form["response_mode"].flatMap(ResponseMode.init) ?? .query
        let state = form["state"].flatMap { Self.isState($0) ? $0 : nil }
        return (ReturnAddress(redirectURI: uri, mode: mode, state: state), sent != nil)
    }

    /// Whether a state comes back as it came, also through a page's form. RFC 6749 appendix A.5 has
    /// ASCII alone; others are common, and control characters have no use.
    private static func isState(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }

    /// The parameters that may be sent only once. Unknown ones are ignored (RFC 6749 §3.1).
    private static let parameters = [
        "response_type", "response_mode", "scope", "state", "code_challenge",
        "code_challenge_method", "nonce", "prompt", "max_age", "login_hint", "ui_locales",
        "request", "request_uri",
    ]

    /// Checks the rest of the request, whose refusals the client is told.
    package init(
        _ form: Form, repeated: Set<String> = [], client: Client, address: ReturnAddress,
        isRedirectURISent: Bool
    ) throws(Refusal) {
        self.client = client
        self.address = address
        self.isRedirectURISent = isRedirectURISent
        do throws(OAuthError) {
            if let name = Self.parameters.first(where: repeated.contains) {
                throw OAuthError(.repeated(parameter: name))
            }
            if let mode = form["response_mode"], ResponseMode(rawValue: mode) == nil {
                throw OAuthError(.invalidRequest, "response_mode must be query or form_post")
            }
            if form["state"] != nil, address.state == nil {
                throw OAuthError(.invalidRequest, "state has a control character")
            }
            if form["request"] != nil {
                throw OAuthError(.requestNotSupported, "request objects are not supported")
            }
            if form["request_uri"] != nil {
                throw OAuthError(.requestURINotSupported, "request_uri is not supported")
            }
            guard try form.required("response_type") == "code" else {
                throw OAuthError(.unsupportedResponseType, "response_type must be code")
            }
            try GrantType.authorizationCode.requireRegistered(by: client)
            challenge = try CodeChallenge(form)
            let granted = try client.registration.scope.granted(asking: form["scope"])
            // Without refresh tokens there is nothing to be used offline.
            scope =
                client.registration.grantTypes.contains(.refreshToken)
                ? granted : granted.removing("offline_access")
            audience = try ResourceIndicators.audience(asking: form.all("resource"), of: client)
            prompt = try Self.prompt(form["prompt"])
            nonce = form["nonce"]
            if let nonce, nonce.utf8.count > Limits.nonceBytes {
                throw OAuthError(
                    .invalidRequest, "nonce is longer than \(Limits.nonceBytes) bytes")
            }
            maxAgeSeconds = try form["max_age"].map { (text) throws(OAuthError) -> Int64 in
                guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                    throw OAuthError(.invalidRequest, "max_age is no number of seconds")
                }
                return Int64(text) ?? .max
            }
        } catch {
            throw Refusal(error: error, address: address)
        }
        loginHint = form["login_hint"]
    }

    private static func prompt(_ text: String?) throws(OAuthError) -> Set<Prompt> {
        var prompts: Set<Prompt> = []
        for word in text?.split(separator: " ") ?? [] {
            guard let prompt = Prompt(rawValue: String(word)) else {
                throw OAuthError(
                    .invalidRequest, "prompt must be of none, login, consent and select_account")
            }
            prompts.insert(prompt)
        }
        if prompts.contains(.none), prompts.count > 1 {
            throw OAuthError(.invalidRequest, "prompt none stands alone")
        }
        return prompts
    }

    /// Whether what it leads to outlives the login.
    package var isOffline: Bool { scope.contains("offline_access") }

    // MARK: What comes next

    package enum Step: Sendable, Equatable {
        case login
        case consent
        case issue
        case refuse(Refusal)
    }

    /// What is known when the next step is decided.
    package struct Facts: Sendable {
        /// The login of this browser, if it is alive.
        package let login: SessionUser?
        /// Whether this login was made for this very request.
        package let isFreshLogin: Bool
        /// What the person allowed the client before.
        package let remembered: Scope?
        package let now: UnixTime

        package init(login: SessionUser?, isFreshLogin: Bool, remembered: Scope?, now: UnixTime) {
            self.login = login
            self.isFreshLogin = isFreshLogin
            self.remembered = remembered
            self.now = now
        }
    }

    /// Decides whether the person has to log in, or to allow it, or is sent back without being asked.
    package func step(_ facts: Facts) -> Step {
        guard isLoggedIn(facts) else {
            return prompt.contains(.none)
                ? .refuse(refusal(.loginRequired, "the person has to log in")) : .login
        }
        guard needsConsent(facts.remembered) else { return .issue }
        return prompt.contains(.none)
            ? .refuse(refusal(.consentRequired, "the person has to allow it")) : .consent
    }

    /// What the login has to prove.
    private var loginPolicy: LoginPolicy {
        LoginPolicy(
            isFreshOnly: !prompt.isDisjoint(with: [.login, .selectAccount]),
            maxAgeSeconds: maxAgeSeconds)
    }

    private func isLoggedIn(_ facts: Facts) -> Bool {
        guard let login = facts.login else { return false }
        let progress = LoginProgress(login.session, isFresh: facts.isFreshLogin)
        return switch progress.step(loginPolicy, at: facts.now) {
        case .ask: false
        case .done: true
        }
    }

    /// Whether the person is asked to allow it. An app that wants that (`prompt=consent`) has it asked.
    /// Otherwise the operator's own apps never ask, where https makes sure who gets the answer; a public
    /// client always does, since anybody can use its id.
    private func needsConsent(_ remembered: Scope?) -> Bool {
        if prompt.contains(.consent) { return true }
        if client.registration.isFirstParty, address.redirectURI.isHTTPS { return false }
        if client.isPublic { return true }
        guard let remembered else { return true }
        return !scope.isSubset(of: remembered)
    }

    package func refusal(_ code: OAuthError.Code, _ description: String) -> Refusal {
        Refusal(error: OAuthError(code, description), address: address)
    }
}
