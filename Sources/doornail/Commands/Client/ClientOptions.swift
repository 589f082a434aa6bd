import ArgumentParser
import OAuth

extension ClientRegistration.Introspects: ExpressibleByArgument {}
extension ClientRegistration.Revokes: ExpressibleByArgument {}
extension SigningAlgorithm: ExpressibleByArgument {}

/// What a client is registered with; `create` and `update` take the same flags.
struct ClientOptions: ParsableArguments {
    enum Method: String, ExpressibleByArgument, CaseIterable {
        case basic, post, none
    }

    enum Switch: String, ExpressibleByArgument, CaseIterable {
        case on, off
    }

    @Option(help: "A name that people are shown.")
    var name: String?

    @Flag(name: .customLong("public"), help: "A client that cannot keep a secret.")
    var isPublic = false

    @Option(
        name: .customLong("auth-method"),
        help: "How it authenticates: basic, post, or none. Without it: basic or post.")
    var method: Method?

    @Option(
        name: .customLong("grant"),
        help: ArgumentHelp(
            "Grants that it may use, separated by commas: "
                + GrantType.allCases.map(\.rawValue).joined(separator: ", ")
                + ". A resource server needs none.",
            valueName: "list"))
    var grants: [String] = []

    @Option(
        name: .customLong("redirect-uri"),
        help: ArgumentHelp("Where logins return to; repeatable.", valueName: "uri"))
    var redirectURIs: [String] = []

    @Option(
        name: .customLong("post-logout-redirect-uri"),
        help: ArgumentHelp("Where logouts return to; repeatable.", valueName: "uri"))
    var postLogoutRedirectURIs: [String] = []

    @Option(
        name: .customLong("backchannel-logout-uri"),
        help: ArgumentHelp("Where it will be told of logouts.", valueName: "uri"))
    var backchannelLogoutURI: String?

    @Option(help: "Scopes that it may ask for, separated by spaces.")
    var scope: String?

    @Option(
        name: .customLong("audience"),
        help: ArgumentHelp(
            "What it belongs to: as a resource server it is told about tokens for it, as a client "
                + "it may ask for it (resource, RFC 8707); repeatable.",
            valueName: "uri"))
    var audiences: [String] = []

    @Option(
        help: ArgumentHelp(
            "What it is told at /introspect: own, audience or any.",
            discussion: "By default a new client with a grant is told of its own tokens, and one "
                + "without, a resource server, of those for its audiences."))
    var introspects: ClientRegistration.Introspects?

    @Option(help: "What the revocation of its access token ends: token or grant.")
    var revokes: ClientRegistration.Revokes?

    @Flag(
        name: .customLong("first-party"), inversion: .prefixedNo,
        help: "Whether it is one of your own: people are not asked.")
    var isFirstParty: Bool?

    @Option(help: "Whether refresh tokens rotate: on or off.")
    var rotation: Switch?

    @Option(
        name: .customLong("retry-window"),
        help: ArgumentHelp(
            "How long a lost refresh may be retried, 30s by default.", valueName: "time"))
    var retryWindow: String?

    @Option(
        name: .customLong("id-token-alg"),
        help: "How its ID tokens are signed: RS256 (by default) or ES256.")
    var idTokenAlgorithm: SigningAlgorithm?

    /// The settings that result from these flags, over those that were there before.
    func applied(to base: ClientRegistration) throws -> ClientRegistration {
        var registration = base
        if let name { registration.name = name }
        if isPublic, let method, method != .none {
            throw ValidationError(
                "--public and --auth-method \(method.rawValue) exclude each other")
        }
        if isPublic { registration.method = .none }
        switch method {
        case .basic: registration.method = .basic
        case .post: registration.method = .post
        case Method.none?: registration.method = .none
        case nil: break
        }
        if !grants.isEmpty { registration.grantTypes = try grantTypes() }
        func list(_ values: [String]) -> [String] { values.filter { !$0.isEmpty } }
        if !redirectURIs.isEmpty { registration.redirectURIs = list(redirectURIs) }
        if !postLogoutRedirectURIs.isEmpty {
            registration.postLogoutRedirectURIs = list(postLogoutRedirectURIs)
        }
        if let uri = backchannelLogoutURI {
            registration.backchannelLogoutURI = uri.isEmpty ? nil : uri
        }
        if let scope {
            do {
                registration.scope = try Scope(scope)
            } catch {
                throw ValidationError("--scope: \(error.description)")
            }
        }
        if !audiences.isEmpty { registration.audiences = list(audiences) }
        if let introspects { registration.introspects = introspects }
        if let revokes { registration.revokes = revokes }
        if let isFirstParty { registration.isFirstParty = isFirstParty }
        if let rotation { registration.rotates = rotation == .on }
        if let retryWindow {
            guard let duration = Quantities.duration(retryWindow),
                duration.components.attoseconds == 0,
                let seconds = Int32(exactly: duration.components.seconds)
            else { throw ValidationError("--retry-window: '\(retryWindow)' is no time like 30s") }
            registration.retryWindowSeconds = seconds
        }
        if let idTokenAlgorithm { registration.idTokenAlgorithm = idTokenAlgorithm }
        let problems = registration.problems
        guard problems.isEmpty else { throw ValidationError(problems.sentence) }
        return registration
    }

    func grantTypes() throws -> [GrantType] {
        var types: [GrantType] = []
        for name in grants.flatMap({ $0.split(separator: ",") }).map({
            $0.filter { !$0.isWhitespace }
        }) where !name.isEmpty {
            guard let type = GrantType(rawValue: name) else {
                throw ValidationError(
                    "--grant: this version does not have the grant '\(name)'; it has "
                        + GrantType.allCases.map(\.rawValue).joined(separator: ", "))
            }
            if !types.contains(type) { types.append(type) }
        }
        return types
    }
}
