import Cluster
import HTTPTypes
import Hummingbird
import OAuth
import Storage

/// `/userinfo`: tells a client about the person that its token is for (OpenID Connect Core §5.3).
struct UserInfoEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) async throws -> Response {
        guard let text = try await Self.token(request) else {
            // Nothing was wrong with a token, so no error is named (RFC 6750 §3.1).
            context.log.outcome = "no_token"
            return Answer.json(
                "{}", status: .unauthorized,
                headers: [.wwwAuthenticate: #"Bearer realm="doornail""#])
        }
        guard case .access(let token)? = try services.node.open(text) else { throw Self.refusal }
        let state = try await services.store.liveness(of: .access(token), by: context.deadline)
        guard case .alive(let live) = Liveness.of(token, in: state) else { throw Self.refusal }
        context.log.clientID = live.clientID
        context.log.grant = state.grant?.id.description
        guard let subject = UserInfo.subject(of: live) else {
            throw OAuthError(.insufficientScope, "the token was not given the scope openid")
        }
        guard
            let profile = try await services.store.profile(of: subject, by: context.deadline)
        else { throw Self.refusal }
        return Answer.json(UserInfo.document(subject, profile, scope: live.scope))
    }

    private static let refusal = OAuthError(
        .invalidToken, "the access token is unknown, expired or ended")

    /// The bearer token, from the header or a posted form, never from the URL (RFC 6750 §2); nil
    /// where none was sent, or credentials of another kind.
    private static func token(_ request: Request) async throws -> String? {
        let headers = request.headers[values: .authorization]
        if headers.isEmpty, request.method == .post,
            Form.isForm(contentType: request.headers[.contentType]),
            let token = try await Browser.form(request)["access_token"]
        {
            return token
        }
        guard let header = headers.first else { return nil }
        let parts = header.utf8.split(
            separator: UInt8(ascii: " "), maxSplits: 1, omittingEmptySubsequences: true)
        guard let scheme = parts.first, String(Substring(scheme)).lowercased() == "bearer" else {
            return nil
        }
        guard parts.count == 2, headers.count == 1 else {
            throw OAuthError(
                .invalidToken, "one access token is needed, as Authorization: Bearer")
        }
        return String(Substring(trimmed(parts[1])))
    }
}

/// `/jwks.json`: the keys that ID tokens are verified by (RFC 7517 §5).
struct KeysEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) throws -> Response {
        Answer.json(try services.node.signingKeys().document)
    }
}
