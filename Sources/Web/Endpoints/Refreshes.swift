import Cluster
import OAuth
import Storage

/// A refresh token as it was presented by a client that has authenticated, in a request without any
/// peculiarity.
struct Refresh: Sendable {
    let token: RefreshToken
    let form: Form
    let client: AuthenticatedClient
    let unretiredKeyIDs: Set<UInt8>
}

/// What has come of it.
struct Refreshed: Sendable {
    let body: [UInt8]
    let grant: Identifier
}

/// Refresh tokens of many requests, used together: one read and one commit for all of them.
extension TokenEndpoint {
    /// The parameters that a request may have here; more are for the endpoint, credentials above all.
    private static let parameters: Set = ["grant_type", "refresh_token", "scope", "resource"]

    /// What may be used here; nil where the endpoint has to see to it.
    ///
    /// Whoever gets no answer here is answered there, and uses the same token once more: so it has to be
    /// one that may be used again for a while, and gets the same successor. An ID token takes its time:
    /// clients that may have one go there at once.
    func refresh(
        _ form: Form, _ client: AuthenticatedClient, unretired: Set<UInt8>
    ) -> Refresh? {
        guard form.names.isSubset(of: Self.parameters), form["grant_type"] == "refresh_token",
            client.client.retryWindowSeconds >= Limits.refreshedTogetherWindow,
            !client.client.scope.contains("openid"),
            let text = form["refresh_token"],
            case .refresh(let token) = try? services.node.open(text)
        else { return nil }
        return Refresh(token: token, form: form, client: client, unretiredKeyIDs: unretired)
    }

    /// Uses them; nil for each that the endpoint has to see to: what is refused, and what takes more
    /// than one commit.
    /// - Parameter isUsed: is called before the answers are written.
    func refresh(_ refreshes: [Refresh], isUsed: () -> Void) async -> [Refreshed?] {
        let deadline = Store.deadline
        do {
            let states = try await services.store.liveness(
                of: refreshes.map { .refresh($0.token) }, by: deadline)
            let decided = zip(refreshes, states).map { decide($0, in: $1) }
            let verdicts = try await services.store.rotate(
                decided.compactMap { $0?.rotation }, by: deadline)
            isUsed()
            var next = verdicts.makeIterator()
            return zip(decided, states).map { decided, state in
                guard let decided, case .issue(let successor, let now) = next.next() else {
                    return nil
                }
                return try? refreshed(
                    decided.request, successor, keyID: decided.rotation.keyID, at: now, in: state)
            }
        } catch {
            return refreshes.map { _ in nil }
        }
    }

    private func decide(
        _ refresh: Refresh, in state: Liveness.State
    ) -> (request: RefreshTokenGrant, rotation: Rotation)? {
        guard
            case .rotate(let request) = RefreshTokenGrant.decide(
                refresh.form, client: refresh.client, token: refresh.token, in: state),
            // A retry's window began before: it could end between this use and the one there.
            request.isUse,
            // The client may have lost the scope, and the grant has it.
            !request.grant.scope.contains("openid"),
            useDue(of: request, in: state) == nil,
            let rotation = try? rotation(
                for: request, of: refresh.client.client, unretired: refresh.unretiredKeyIDs)
        else { return nil }
        return (request, rotation)
    }

    private func refreshed(
        _ request: RefreshTokenGrant, _ successor: RefreshToken, keyID: UInt8, at now: UnixTime,
        in state: Liveness.State
    ) throws -> Refreshed {
        let token = try accessToken(for: request, keyID: keyID, at: now, in: state)
        var (json, _) = try begun(token, refreshToken: successor)
        let scope = request.scope ?? request.grant.scope
        if !scope.isEmpty { json.set("scope", scope.description) }
        return Refreshed(body: json.bytes, grant: request.grant.id)
    }
}
