import Cluster
import Foundation
package import OAuth
import Storage

/// What an operator is told of a token: the answer of `/introspect`, and what only operators learn.
package struct TokenDocument: Codable, Sendable {
    package let active: Bool
    package fileprivate(set) var why: String?
    package private(set) var token_type: String?
    package private(set) var token_use: String?
    package private(set) var client_id: String?
    package private(set) var sub: String?
    package private(set) var username: String?
    package fileprivate(set) var session: String?
    package fileprivate(set) var grant: String?
    package private(set) var scope: String?
    package private(set) var iss: String?
    package private(set) var aud: Audience?
    package private(set) var exp: Int64?
    package private(set) var iat: Int64?
    package private(set) var nbf: Int64?
    package private(set) var jti: String?
    package fileprivate(set) var key_id: Int?

    /// One audience as a string, several as a list, as `/introspect` has it.
    package struct Audience: Codable, Sendable {
        package let uris: [String]

        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            uris =
                if let uri = try? container.decode(String.self) { [uri] } else {
                    try container.decode([String].self)
                }
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            if uris.count == 1 {
                try container.encode(uris[0])
            } else {
                try container.encode(uris)
            }
        }
    }

    fileprivate init(isActive: Bool, why: Liveness.CauseOfDeath? = nil) {
        active = isActive
        self.why = why?.rawValue
    }
}

/// Single tokens. Whoever names one has its text, and the server's secrets to open it.
extension Operations {
    /// Says whether a token is alive; where the caller asks for an explanation, also why it is dead and
    /// what is still known of it.
    package func introspect(
        _ text: Redacted<String>, secrets: [ServerSecret], issuer: String?, explaining: Bool
    ) async throws(Problem) -> TokenDocument {
        guard let token = try await open(text, secrets: secrets) else {
            return TokenDocument(isActive: false, why: explaining ? .forged : nil)
        }
        let state = try await liveness(of: token)
        let facts: Introspection.Facts
        var death: Liveness.CauseOfDeath?
        switch Liveness.of(token, in: state) {
        case .alive(let live): facts = Introspection.Facts(live)
        case .dead(let cause):
            guard explaining else { return TokenDocument(isActive: false) }
            death = cause
            facts = Introspection.Facts(remainingOf: token, in: state)
        }
        let answer = Introspection.answer(
            about: token, facts, isActive: death == nil, issuer: issuer)
        guard var document = try? JSONDecoder().decode(TokenDocument.self, from: Data(answer))
        else { throw .store(.broken("the answer about the token cannot be read")) }
        document.why = death?.rawValue
        document.session = state.grant?.session.description
        document.grant = token.grant?.description
        document.key_id = Int(token.keyID)
        return document
    }

    /// Ends a token; with a refresh token, its grant and every token that came from it.
    package func revokeToken(
        _ text: Redacted<String>, secrets: [ServerSecret]
    ) async throws(Problem) -> Ended {
        // At /revoke this is a 200 (RFC 7009 §2.2). An operator who cut a token while copying it must not
        // believe that the real one is dead.
        guard let token = try await open(text, secrets: secrets) else { throw .unknownToken }
        let grant = try await liveness(of: token).grant
        guard let ending = Self.ending(of: token, grant: grant) else {
            // It is a token of this server, and was read with proof to be dead: what was asked for holds.
            return Ended(kind: "grant", subject: token.grant?.description ?? "", receipt: nil)
        }
        return try await end(
            ending, kind: ending.kind, subject: ending.subject, because: "revoked")
    }

    /// What ends a token; nil where its grant is gone, and nothing is left to end.
    private static func ending(of token: Token, grant: GrantState?) -> TrustChange? {
        switch token {
        case .refresh: grant.map { TrustChange.grant($0.id) }
        case .access(let access):
            switch access.subject {
            case .client(let client, _): .token(access, client: client)
            case .grant: grant.map { TrustChange.token(access, client: $0.client) }
            }
        }
    }

    private func liveness(of token: Token) async throws(Problem) -> Liveness.State {
        try await asking { () async throws(StoreError) in try await store.liveness(of: token) }
    }

    /// The token that a text is; nil where it is no token of this server.
    private func open(
        _ text: Redacted<String>, secrets: [ServerSecret]
    ) async throws(Problem) -> Token? {
        let known = try await knownSecrets()
        let ring: KeyRing
        do {
            _ = try SecretRules.unknown(secrets: secrets, known: known)
            ring = try SecretRules.ring(secrets: secrets, known: known, nodes: [])
        } catch {
            throw .secrets(error)
        }
        switch TokenCodec(ring).open(text.value) {
        case .authentic(let token): return token
        // The ring was read a moment ago, and every unretired secret is in it.
        case .forged, .unknownKey, .secretMissing: return nil
        }
    }
}
