import Cluster
import OAuth
import Storage
import TestSupport
import Testing

/// The one seam that every end goes through.
@Suite struct RevokerTests {
    enum Way: CaseIterable, Sendable {
        case token, grant, session, user, userDisabled, userDeleted, password, client
        case clientDisabled, clientDeleted, everything

        /// What dies of an access token of a grant, its grant's refresh token, and the cookie.
        var dies: [Bool] {
            switch self {
            case .token: [true, false, false]
            case .grant, .client, .clientDisabled, .clientDeleted: [true, true, false]
            default: [true, true, true]
            }
        }
    }

    @Test(arguments: Way.allCases)
    func ends(way: Way) async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, grant) = try await fixture.household()
            let other = try await fixture.grant(client, cookie)
            let access = StoreFixture.accessToken(of: grant)
            let refresh = Token.refresh(RefreshToken(grant: grant, generation: 1, keyID: 1))
            let ada = UserReference("ada")
            let (ending, kind, subject): (TrustChange, String, String) =
                switch way {
                case .token:
                    (.token(access, client: client.id), "token", access.id.description)
                case .grant: (.grant(grant), "grant", grant.description)
                case .session: (.session(cookie.session), "session", cookie.session.description)
                case .user: (.user(ada), "user", "ada")
                case .userDisabled: (.userDisabled(ada), "user_disabled", "ada")
                case .userDeleted: (.userDeleted(ada), "user_deleted", "ada")
                case .password:
                    (.password(ada, try StoreFixture.hash()), "password", "ada")
                case .client: (.client("app"), "client", "app")
                case .clientDisabled: (.clientDisabled("app"), "client_disabled", "app")
                case .clientDeleted: (.clientDeleted("app"), "client_deleted", "app")
                case .everything: (.everything, "everything", "everything")
                }
            #expect(ending.kind == kind)
            #expect(ending.subject == subject)
            let now = try await fixture.store.ping()
            let revoker = Revoker(store: fixture.store, logger: TestDatabase.logger)
            let receipt = try await revoker.end(ending, because: StoreFixture.cause)
            #expect(receipt.endedAt >= now)
            let deaths = [
                try await fixture.death(of: .access(access)) != nil,
                try await fixture.death(of: refresh) != nil,
                try await !fixture.isAlive(cookie),
            ]
            #expect(deaths == way.dies)
            // The same client's other grant in the same login lives on where one alone was ended.
            let isOtherAlive = try await fixture.death(of: other) == nil
            #expect(isOtherAlive == [.token, .grant].contains(way))
            #expect(try await fixture.log().first?.hasSuffix(" true a test tests") == true)
        }
    }

    /// What is not there cannot be ended, and that is no receipt.
    @Test func whatIsNotThere() async throws {
        try await StoreFixture.with { fixture in
            let revoker = Revoker(store: fixture.store, logger: TestDatabase.logger)
            let nobody = UserReference("nobody")
            let endings: [TrustChange] = [
                .grant(StoreFixture.identifier()), .session(StoreFixture.identifier()),
                .user(nobody), .userDisabled(nobody), .userDeleted(nobody), .userEnabled(nobody),
                .password(nobody, try StoreFixture.hash()), .client("nobody"),
            ]
            for ending in endings {
                let error = await #expect(throws: StoreError.self) {
                    _ = try await revoker.end(ending, because: StoreFixture.cause)
                }
                #expect(error?.kind == "missing", "\(ending.kind)")
            }
        }
    }
}
