import Cluster
import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// Keys that sign ID tokens, and the secrets that they are kept under.
@Suite struct SigningKeyTests {
    private static let secrets = ["a", "b"].map { "0123456789abcdef0123456789abcdef-" + $0 }

    private static func secret(_ keyID: UInt8) throws -> ServerSecret {
        try ServerSecret(secrets[Int(keyID) - 1])
    }

    private static func key(_ algorithm: SigningAlgorithm = .es256) throws -> SigningKey {
        var random = SystemRandomNumberGenerator()
        return try SigningKey.generate(
            algorithm, kid: Identifier(milliseconds: 0, using: &random))
    }

    private static func copies(
        of key: SigningKey, under keyIDs: [UInt8]
    ) throws -> [UInt8: [UInt8]] {
        try Dictionary(
            uniqueKeysWithValues: keyIDs.map { ($0, try key.sealed(under: secret($0))) })
    }

    /// A store that knows both secrets, as 1 and 2.
    private static func with(
        _ body: @escaping @Sendable (StoreFixture) async throws -> Void
    ) async throws {
        try await StoreFixture.with { fixture in
            for text in secrets { try await fixture.store.admit(ServerSecret(text)) }
            try await body(fixture)
        }
    }

    /// Adds a key to the store; false where there was nothing to keep it under.
    @discardableResult
    private static func add(
        _ key: SigningKey, under keyIDs: [UInt8], to fixture: StoreFixture
    ) async throws -> Bool {
        try await fixture.store.addSigningKey(
            key, copies: copies(of: key, under: keyIDs), insisting: true)
    }

    /// The key ids that a key is kept under; nil where there is no such key.
    private static func kept(
        _ key: SigningKey, _ fixture: StoreFixture
    ) async throws -> [UInt8]? {
        try await fixture.store.signingKeys().keys.first { $0.known.kid == key.kid }?
            .copies.keys.sorted()
    }

    /// Runs something while another transaction, that has begun with a statement, is still open.
    private static func during(
        _ statement: String, _ fixture: StoreFixture, _ work: () async throws -> Void
    ) async throws {
        async let first: Void = fixture.sql("BEGIN; \(statement); SELECT pg_sleep(0.5); COMMIT")
        try await Task.sleep(for: .milliseconds(200))
        try await work()
        try await first
    }

    private static let retiresFirst = "UPDATE secrets SET retired_at = now() WHERE key_id = 1"

    // MARK: A secret is retired at the very moment

    /// A key that is being made is kept under the secrets that are left, or is not made.
    @Test(arguments: [([1], nil), ([1, 2], [2]), ([2], [2])] as [([UInt8], [UInt8]?)])
    func aKeyIsMadeMeanwhile(keyIDs: [UInt8], expected: [UInt8]?) async throws {
        try await Self.with { fixture in
            let key = try Self.key()
            try await Self.during(Self.retiresFirst, fixture) {
                let isAdded = try await Self.add(key, under: keyIDs, to: fixture)
                #expect(isAdded == (expected != nil))
            }
            #expect(try await Self.kept(key, fixture) == expected)
            // And so it is once the secret is retired.
            let late = try Self.key()
            try await Self.add(late, under: keyIDs, to: fixture)
            #expect(try await Self.kept(late, fixture) == expected)
        }
    }

    @Test func aKeyIsCopiedMeanwhile() async throws {
        try await Self.with { fixture in
            let key = try Self.key()
            try await Self.add(key, under: [2], to: fixture)
            let sealed = try key.sealed(under: Self.secret(1))
            try await Self.during(Self.retiresFirst, fixture) {
                try await fixture.store.copySigningKeys([(key.kid, 1, sealed)])
            }
            #expect(try await Self.kept(key, fixture) == [2])
        }
    }

    /// Makes the statement that adds a key known to psql.
    private static func prepared(
        _ key: SigningKey, under keyID: UInt8, _ fixture: StoreFixture
    ) async throws -> String {
        let add = try #require(Statements.all.first { $0.name == "signing_keys_add" })
        let sealed = try key.sealed(under: secret(keyID)).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
        try await fixture.sql("PREPARE add_key AS \(add.sql)")
        return "EXECUTE add_key ('\(key.kid)', 'ES256', '\(key.publicJWK)', '{\(keyID)}', "
            + "ARRAY['\\x\(sealed)'::bytea], true)"
    }

    /// The other way round: the retirement waits for the key, and sees it.
    @Test func aSecretIsRetiredMeanwhile() async throws {
        try await Self.with { fixture in
            let key = try Self.key()
            let add = try await Self.prepared(key, under: 1, fixture)
            try await Self.during(add, fixture) {
                let error = await #expect(throws: StoreError.self) {
                    _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
                }
                #expect(error?.kind == "conflict")
                #expect(error?.description.contains("signing key") == true)
            }
            #expect(try await Self.kept(key, fixture) == [1])
            #expect(try await fixture.value("SELECT count(retired_at) FROM secrets") == "0")
            await #expect(throws: PostgresError.self) { try await fixture.sql(Self.retiresFirst) }
            // Once it has another copy, nothing stands in the way.
            let sealed = try key.sealed(under: Self.secret(2))
            try await fixture.store.copySigningKeys([(key.kid, 2, sealed)])
            _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
            #expect(try await Self.kept(key, fixture) == [2])
        }
    }

    /// No copy is left under a secret that is retired, also where it was made at that moment.
    @Test func noCopyIsLeft() async throws {
        try await Self.with { fixture in
            let key = try Self.key()
            try await Self.add(key, under: [2], to: fixture)
            try await Self.during(
                "INSERT INTO signing_key_copies SELECT '\(key.kid)', key_id, 'x' FROM secrets "
                    + "WHERE key_id = 1 FOR SHARE", fixture
            ) {
                _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
            }
            #expect(try await Self.kept(key, fixture) == [2])
            // With the last secret, which only psql retires, everything goes.
            try await fixture.sql("UPDATE secrets SET retired_at = now() WHERE key_id = 2")
            #expect(try await Self.kept(key, fixture) == [])
        }
    }

    // MARK: A key that nobody can open

    /// It stops neither a new one nor a retirement.
    @Test func aLostKeyIsReplaced() async throws {
        try await Self.with { fixture in
            let lost = try Self.key()
            try await Self.add(lost, under: [1, 2], to: fixture)
            try await fixture.sql(
                "DELETE FROM signing_key_copies; "
                    + "UPDATE signing_keys SET created_at = now() - interval '10 minutes'")
            let keyring = SigningKeyring(
                store: fixture.store,
                secrets: try [Self.secret(2), Self.secret(1)], logger: TestDatabase.logger)
            try await keyring.refresh()
            let set = try keyring.current()
            #expect(set.signs(by: .es256))
            #expect(set.signs(by: .rs256))
            let keys = try await fixture.store.signingKeys().keys
            #expect(keys.count == 3)
            for key in keys where key.known.kid != lost.kid {
                #expect(set.document.contains(key.known.kid))
            }
            // The next look makes none.
            try await keyring.refresh()
            #expect(try await fixture.store.signingKeys().keys.count == 3)
            _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
        }
    }

    /// What signs is published, whatever came after it.
    @Test func theSignerIsPublished() async throws {
        try await Self.with { fixture in
            let (key, lost) = (try Self.key(), try Self.key())
            try await Self.add(key, under: [1, 2], to: fixture)
            try await Self.add(lost, under: [1, 2], to: fixture)
            try await fixture.sql(
                "DELETE FROM signing_key_copies WHERE kid = '\(lost.kid)'; "
                    + "UPDATE signing_keys SET created_at = now() - CASE WHEN kid = '\(lost.kid)' "
                    + "THEN interval '3 days' ELSE interval '4 days' END")
            let keyring = SigningKeyring(
                store: fixture.store, secrets: [try Self.secret(1), try Self.secret(2)],
                logger: TestDatabase.logger)
            try await keyring.refresh()
            #expect(try keyring.current().document.contains(key.kid))
            // It is young enough to stay the only one.
            let keys = try await fixture.store.signingKeys().keys
            #expect(keys.count(where: { $0.known.algorithm == .es256 }) == 2)
        }
    }

    /// Two key ids that differ in their bytes alone, as only psql makes them, stop no node.
    @Test func keyIDsThatLookAlike() async throws {
        try await Self.with { fixture in
            let key = try Self.key()
            for (kid, days) in [("\u{E9}", 3), (key.kid, 2), ("e\u{301}", 1)] {
                try await fixture.sql(
                    "INSERT INTO signing_keys (kid, algorithm, public_jwk, created_at) VALUES "
                        + "('\(kid)', 'ES256', '\(key.publicJWK)', now() - interval '\(days) days')"
                )
            }
            let keyring = SigningKeyring(
                store: fixture.store, secrets: [try Self.secret(1)], logger: TestDatabase.logger)
            try await keyring.refresh()
            #expect(try keyring.current().signs(by: .es256))
        }
    }

    /// Nor does one whose public part is none, which only psql makes: it is as if it were not there.
    @Test(
        arguments: [
            "", "[x", "{}", #"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","alg":"ES256"}"#,
            #"{"kty":"RSA","n":"AQ","e":"AQAB","alg":"RS256","kid":"x"}"#,
            // Found by fuzzing: the library traps on it.
            #"{"kty":"RSA","n":"StringAQ","d":"ACoWWWWWWWWWWWW","e":"ASAS024","kid":"x"}"#,
        ])
    func aDamagedKeyIsNone(jwk: String) async throws {
        try await Self.with { fixture in
            try await fixture.sql(
                "INSERT INTO signing_keys (kid, algorithm, public_jwk, created_at) "
                    + "VALUES ('damaged', 'ES256', '\(jwk)', now() - interval '3 days')")
            try await Self.add(Self.key(), under: [1], to: fixture)
            let keyring = SigningKeyring(
                store: fixture.store, secrets: [try Self.secret(1)], logger: TestDatabase.logger)
            try await keyring.refresh()
            let set = try keyring.current()
            #expect(set.signs(by: .es256))
            #expect(!set.document.contains("[,"))
            #expect(jwk.isEmpty || !set.document.contains(jwk))
        }
    }

    // MARK: Keys that were withdrawn

    enum Withdrawal: CaseIterable, Sendable {
        case rotate, restored, psql
    }

    /// Nothing needs their private parts any more.
    @Test(arguments: Withdrawal.allCases)
    func copiesGo(way: Withdrawal) async throws {
        try await Self.with { fixture in
            let (old, new, other) = (try Self.key(), try Self.key(), try Self.key(.rs256))
            for key in [old, new, other] {
                try await Self.add(key, under: [1, 2], to: fixture)
            }
            switch way {
            case .rotate:
                try await fixture.store.withdrawSigningKeys(.es256, except: new.kid, by: "tests")
            case .restored: _ = try await fixture.store.endEverything(because: StoreFixture.cause)
            case .psql:
                try await fixture.sql(
                    "UPDATE signing_keys SET withdrawn_at = now() WHERE kid = '\(old.kid)'")
            }
            let others: [UInt8] = way == .restored ? [] : [1, 2]
            #expect(try await Self.kept(old, fixture) == [])
            #expect(try await Self.kept(new, fixture) == others)
            #expect(try await Self.kept(other, fixture) == others)
            // A node that read it before adds none.
            let sealed = try old.sealed(under: Self.secret(1))
            try await fixture.store.copySigningKeys([(old.kid, 1, sealed)])
            #expect(try await Self.kept(old, fixture) == [])
            // Its public part stays, and stands in nobody's way.
            #expect(
                try await fixture.store.signingKeys().keys.first { $0.known.kid == old.kid }?
                    .known.isWithdrawn == true)
            _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
        }
    }
}
