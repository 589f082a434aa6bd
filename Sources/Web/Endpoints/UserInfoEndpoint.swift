import Cluster
import HTTPTypes
import NIOCore
import NIOHTTP1
import OAuth
import Serving
import Storage

/// `/userinfo`: tells a client about the person that its token is for (OpenID Connect Core §5.3).
struct UserInfoEndpoint: Endpoint {
    let services: Services

    func answer(_ request: APIRequest, _ notes: inout RequestNotes) async throws -> APIAnswer {
        guard let text = try Self.token(request) else {
            // Nothing was wrong with a token, so no error is named (RFC 6750 §3.1).
            notes.outcome = "no_token"
            return .json(
                "{}", status: .unauthorized,
                fields: [("WWW-Authenticate", #"Bearer realm="doornail""#)])
        }
        guard case .access(let token)? = try services.node.open(text) else { throw Self.refusal }
        let state = try await services.store.liveness(of: .access(token), by: request.deadline)
        guard case .alive(let live) = Liveness.of(token, in: state) else { throw Self.refusal }
        notes.clientID = live.clientID
        notes.grant = state.grant?.id.description
        guard let subject = UserInfo.subject(of: live) else {
            throw OAuthError(.insufficientScope, "the token was not given the scope openid")
        }
        guard
            let profile = try await services.store.profile(of: subject, by: request.deadline)
        else { throw Self.refusal }
        return .json(UserInfo.document(subject, profile, scope: live.scope))
    }

    private static let refusal = OAuthError(
        .invalidToken, "the access token is unknown, expired or ended")

    /// The bearer token, from the header or a posted form, never from the URL (RFC 6750 §2); nil
    /// where none was sent, or credentials of another kind.
    private static func token(_ request: APIRequest) throws -> String? {
        let headers = request.headers["authorization"]
        guard let header = headers.first else {
            let types = request.headers["content-type"]
            guard request.method == .POST, types.count == 1, Form.isForm(contentType: types[0])
            else { return nil }
            return try Form(parsing: request.body.readableBytesView)["access_token"]
        }
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
struct KeysEndpoint: Endpoint {
    let services: Services

    func answer(_ request: APIRequest, _ notes: inout RequestNotes) throws -> APIAnswer {
        .json(try services.node.signingKeys().document)
    }
}
