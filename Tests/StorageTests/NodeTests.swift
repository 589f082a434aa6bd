import Cluster
import Logging
import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// Nodes, and which secrets they sign with.
@Suite struct NodeTests {
    static let a = "0123456789abcdef0123456789abcdef-a"
    static let b = "0123456789abcdef0123456789abcdef-b"

    private func node(_ fixture: StoreFixture, _ secrets: String) throws -> Node {
        Node(
            store: fixture.store, secrets: try ServerSecret.list(secrets), version: "test",
            logger: TestDatabase.logger)
    }

    private func sealed(_ node: Node, _ client: Client) throws -> String {
        let token = AccessToken(
            id: StoreFixture.identifier(), keyID: try node.signingKeyID(unretired: [1, 2]),
            subject: .client(client.id, epoch: client.epoch), issuedAt: UnixTime(seconds: 0),
            expiresAt: UnixTime(seconds: .max), scope: nil, audience: nil)
        return try #require(try node.codec().seal(token)).value
    }

    @Test func beforeItJoinedItAnswersNothing() async throws {
        try await StoreFixture.with { fixture in
            let node = try node(fixture, Self.a)
            #expect(throws: StoreError.self) { try node.codec() }
            #expect(throws: StoreError.self) { try node.open("dn_at_AAAA") }
            try await node.start()
            #expect(try node.open("dn_at_AAAA") == nil)
        }
    }

    /// A new secret signs only once every node lists it.
    @Test func rotation() async throws {
        try await StoreFixture.with { fixture in
            let client = try await fixture.client()
            let old = try node(fixture, Self.a)
            try await old.start()
            #expect(try old.signingKeyID(unretired: [1]) == 1)

            let new = try node(fixture, Self.b + "," + Self.a)
            try await new.start()
            #expect(try new.signingKeyID(unretired: [1, 2]) == 1)
            #expect(try old.open(sealed(new, client))?.keyID == 1)

            await old.leave()
            let again = try node(fixture, Self.b + "," + Self.a)
            try await again.start()
            #expect(try again.signingKeyID(unretired: [1, 2]) == 2)
            #expect(try again.signingKeyID(unretired: [1]) == 1)
            let token = try sealed(again, client)
            #expect(try new.open(token)?.keyID == 2)
        }
    }

    @Test func aNodeWithoutAnUnretiredSecretDoesNotStart() async throws {
        try await StoreFixture.with { fixture in
            try await node(fixture, Self.a + "," + Self.b).start()
            let error = await #expect(throws: Node.StartError.self) {
                try await node(fixture, Self.b).start()
            }
            #expect(error?.description.contains("(key id 1)") == true)
            _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
            try await node(fixture, Self.b).start()
            let retired = await #expect(throws: Node.StartError.self) {
                try await node(fixture, Self.a).start()
            }
            #expect(retired?.description.contains("DOORNAIL_SECRET") == true)
        }
    }

    /// A secret that is the only one of a running node cannot be retired under it, and no node signs
    /// under a secret that another one lacks.
    @Test func nobodySignsWhatAnotherNodeLacks() async throws {
        try await StoreFixture.with { fixture in
            let old = try node(fixture, Self.a)
            try await old.start()
            let new = try node(fixture, Self.b + "," + Self.a)
            try await new.start()
            let error = await #expect(throws: StoreError.self) {
                _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
            }
            #expect(error?.kind == "conflict")
            #expect(throws: StoreError.self) { try new.signingKeyID(unretired: [2]) }
            #expect(try new.signingKeyID(unretired: [1, 2]) == 1)
        }
    }

    /// A node whose secrets are all retired takes its leave, and holds nobody up.
    @Test func aNodeWithoutASecretLeaves() async throws {
        try await StoreFixture.with { fixture in
            let old = try node(fixture, Self.a)
            try await old.start()
            try await fixture.sql("UPDATE secrets SET retired_at = now()")
            await old.run()
            #expect(try await fixture.store.nodes().isEmpty)
            #expect(throws: StoreError.self) { try old.open("dn_at_AAAA") }
        }
    }

    @Test func manyThatStartAtOnceAgreeOnKeyIDs() async throws {
        try await StoreFixture.with { fixture in
            try await withThrowingTaskGroup(of: UInt8.self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        let node = try node(fixture, Self.a)
                        try await node.start()
                        return try node.signingKeyID(unretired: [1, 2])
                    }
                }
                for try await keyID in group { #expect(keyID == 1) }
            }
            #expect(try await fixture.store.nodes().count == 6)
        }
    }

    /// A row that nobody renews is removed, and its node joins again.
    @Test func aNodeTakenForDeadJoinsAgain() async throws {
        try await StoreFixture.with { fixture in
            let node = try node(fixture, Self.a)
            try await node.start()
            try await fixture.sql("UPDATE nodes SET renewed_at = now() - interval '11 s'")
            try await fixture.store.removeStaleNodes()
            #expect(try await fixture.store.nodes().isEmpty)
            let running = Task { await node.run() }
            for _ in 0..<100 where try await fixture.store.nodes().isEmpty {
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(try await fixture.store.nodes() == [[1]])
            running.cancel()
            await running.value
            await node.leave()
            #expect(try await fixture.store.nodes().isEmpty)
        }
    }

    /// What one node seals, every node opens, until its secret is retired.
    @Test func sealsForAllNodes() async throws {
        try await StoreFixture.with { fixture in
            let old = try node(fixture, Self.a)
            #expect(throws: StoreError.self) { try old.seal([], for: .form) }
            #expect(throws: StoreError.self) { try old.keyedHash("ada", for: .throttle) }
            #expect(throws: StoreError.self) { try old.outage() }
            try await old.start()
            #expect(try old.outage() == nil)
            let both = try node(fixture, Self.b + "," + Self.a)
            try await both.start()
            let sealed = try old.seal([1, 2, 3], for: .form).value
            for node in [old, both] {
                #expect(try node.unseal(sealed, for: .form) == [1, 2, 3])
                #expect(try node.unseal(sealed, for: .device) == nil)
                #expect(try node.unseal(sealed + "A", for: .form) == nil)
                #expect(try node.unseal("", for: .form) == nil)
            }
            let hash = try old.keyedHash("ada", for: .throttle)
            #expect(try both.keyedHash("ada", for: .throttle) == hash)

            let grant = StoreFixture.identifier()
            let refresh = RefreshToken(grant: grant, generation: 1, keyID: 1)
            let code = AuthorizationCode(id: grant, keyID: 1)
            let texts = (
                refresh: try #require(try old.codec().seal(refresh)).value,
                code: try #require(try old.codec().seal(code)).value
            )
            #expect(try both.open(texts.refresh) == .refresh(refresh))
            #expect(try both.openCode(texts.code) == code)
            #expect(try both.open(texts.code) == nil)
            #expect(try both.openCode(texts.refresh) == nil)

            await old.leave()
            _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
            let after = try node(fixture, Self.b + "," + Self.a)
            try await after.start()
            #expect(try after.unseal(sealed, for: .form) == nil)
            // A token under a retired secret is told from a forged one, and is dead.
            #expect(try after.open(texts.refresh) == .refresh(refresh))
            #expect(
                try await fixture.store.liveness(of: .refresh(refresh)).isSecretRetired)
            #expect(try await fixture.store.code(code).state.isSecretRetired)
        }
    }
}
