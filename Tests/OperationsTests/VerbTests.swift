import Cluster
import Foundation
import OAuth
import Operations
import Storage
import TestSupport
import Testing

/// The verbs, on a real database.
@Suite struct VerbTests {
    private static let secret = "0123456789abcdef0123456789abcdef-a"
    private static let issuer = "https://issuer.example"

    private func operations(_ fixture: StoreFixture) -> Operations {
        Operations(
            store: fixture.store,
            revoker: Revoker(store: fixture.store, logger: TestDatabase.logger),
            actor: .commandLine("tests"))
    }

    /// What stands in the way of each verb has a type, and nothing is written.
    @Test func problemsHaveTypes() async throws {
        try await StoreFixture.with { fixture in
            let operations = operations(fixture)
            _ = try await operations.createClient(
                "public", ClientRegistration(name: "x", method: .none, grantTypes: []))
            let registration = ClientRegistration(name: "", method: .any, grantTypes: [])
            let session = Operations.newIdentifier()
            let expected: [(String, () async throws(Problem) -> Void)] = [
                (
                    "there is no client 'x'",
                    { () async throws(Problem) in _ = try await operations.client("x") }
                ),
                (
                    "there is no user 'x'",
                    { () async throws(Problem) in _ = try await operations.disableUser("x") }
                ),
                (
                    "there is no session \(session)",
                    { () async throws(Problem) in _ = try await operations.session(session) }
                ),
                (
                    "client id a b",
                    { () async throws(Problem) in
                        _ = try await operations.createClient("a b", registration)
                    }
                ),
                (
                    "registration: the name is empty",
                    { () async throws(Problem) in
                        _ = try await operations.createClient("x", registration)
                    }
                ),
                (
                    "public client public",
                    { () async throws(Problem) in
                        _ = try await operations.rotateClientSecret("public", keepsPresent: true)
                    }
                ),
            ]
            for (text, verb) in expected {
                do throws(Problem) {
                    try await verb()
                    Issue.record("it was done: \(text)")
                } catch {
                    #expect(describe(error) == text)
                }
            }
            #expect(
                try await fixture.value("SELECT string_agg(client_id, ' ') FROM clients")
                    == "public")
        }
    }

    private func describe(_ problem: Problem) -> String {
        switch problem {
        case .store(.missing(let subject)): subject.description
        case .clientID(let id): "client id \(id)"
        case .registration(let problems):
            "registration: " + problems.map(\.description).joined(separator: "; ")
        case .publicClient(let id): "public client \(id)"
        default: "\(problem)"
        }
    }

    @Test func whoDidItIsLogged() async throws {
        try await StoreFixture.with { fixture in
            let operations = operations(fixture)
            let made = try await operations.createClient(
                "app", ClientRegistration(name: "x", method: .any, grantTypes: []))
            #expect(made.client_secret != nil)
            let ended = try await operations.revokeClient("app")
            #expect(ended.ended == "client" && ended.subject == "app" && ended.ended_at != nil)
            #expect(try await fixture.log() == ["client true revoked cli:tests"])
            #expect(try await operations.client("app").client_secret == nil)
        }
    }

    /// An older secret that was still valid ends with a rotation that keeps the present one.
    @Test func aThirdSecretEnds() async throws {
        try await StoreFixture.with { fixture in
            let operations = operations(fixture)
            _ = try await fixture.client()
            for (keepsPresent, hasEnded) in [(true, false), (true, true), (false, false)] {
                let rotated = try await operations.rotateClientSecret(
                    "app", keepsPresent: keepsPresent)
                #expect(rotated.hasEndedOlder == hasEnded)
                #expect(rotated.client.has_previous_secret == keepsPresent)
            }
        }
    }

    /// An operator is told what `/introspect` says, and more.
    @Test func aTokenIsToldOfAsAtIntrospect() async throws {
        try await StoreFixture.with { fixture in
            let operations = operations(fixture)
            try await fixture.admitSecret()
            let secrets = try ServerSecret.list(Self.secret)
            let client = try await fixture.client()
            let token = try await fixture.token(of: client)
            let ring = KeyRing(keys: [.init(id: 1, secret: secrets[0])], signers: [1], lacking: [])
            let text = try #require(TokenCodec(ring).seal(token))
            func introspect(explaining: Bool = true) async throws -> [String: Any] {
                let document = try await operations.introspect(
                    text, secrets: secrets, issuer: Self.issuer, explaining: explaining)
                return try members(JSONEncoder().encode(document))
            }
            guard
                case .alive(let live) = try await fixture.liveness(of: token)
            else { throw StoreFixture.Missing() }
            let answer = Introspection.active(.access(token), live, issuer: Self.issuer)
            var told = try await introspect()
            #expect(told.removeValue(forKey: "key_id") as? Int == 1)
            #expect(try sorted(told) == sorted(members(Data(answer))))

            let ended = try await operations.revokeToken(text, secrets: secrets)
            #expect(ended.ended == "token" && ended.subject == token.id.description)
            let dead = try await introspect()
            #expect(dead["active"] as? Bool == false)
            #expect(dead["why"] as? String == Liveness.CauseOfDeath.tokenRevoked.rawValue)
            #expect(dead["exp"] as? Int64 == token.expiresAt.seconds)
            #expect(try await Array(introspect(explaining: false).keys) == ["active"])
        }
    }

    /// The members as text, in order.
    func sorted(_ members: [String: Any]) throws -> String {
        let data = try JSONSerialization.data(withJSONObject: members, options: .sortedKeys)
        return String(decoding: data, as: UTF8.self)
    }

    private func members(_ json: Data) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
    }
}
