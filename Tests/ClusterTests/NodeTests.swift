import Cluster
import Lease
import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// Nodes, and which secrets they sign with.
@Suite struct NodeTests {
    static let a = TestNode.a
    static let b = TestNode.b
    static let both = b + "," + a

    private func sealed(_ node: TestNode, _ client: Client) throws -> String {
        let token = AccessToken(
            id: StoreFixture.identifier(),
            keyID: try node.node.signingKeyID(unretired: [1, 2]),
            subject: .client(client.id, epoch: client.epoch), issuedAt: UnixTime(seconds: 0),
            expiresAt: UnixTime(seconds: .max), scope: nil, audience: nil)
        return try #require(try node.node.codec().seal(token)).value
    }

    /// Waits until a node signs under a secret.
    private func signs(_ node: TestNode, under keyID: UInt8) async throws {
        try await eventually("it signs under \(keyID)") {
            (try? node.node.signingKeyID(unretired: [1, 2])) == keyID
        }
    }

    /// Waits until every node's row lists these secrets.
    private func everyone(_ fixture: StoreFixture, lists keyIDs: Set<UInt8>) async throws {
        try await eventually("every row lists \(keyIDs)") {
            try await fixture.store.nodeList().nodes.allSatisfy { $0.keyIDs == keyIDs }
        }
    }

    @Test func beforeItJoinedItAnswersNothing() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let node = try TestNode(fixture)
            #expect(throws: StoreError.self) { try node.node.codec() }
            #expect(throws: StoreError.self) { try node.node.open("dn_at_AAAA") }
            #expect(node.gate.held(at: .now) == nil)
            try await node.running { () async throws in
                #expect(try node.node.open("dn_at_AAAA") == nil)
                #expect(try await fixture.rows().count == 1)
            }
            #expect(try await fixture.rows().isEmpty)
            #expect(node.gate.held(at: .now) == nil)
        }
    }

    /// The very first node makes its secret known itself, and can sign when it says that it is ready.
    @Test func aNodeThatIsReadyCanSign() async throws {
        try await StoreFixture.with { fixture in
            let node = try TestNode(fixture)
            try await node.running {
                #expect(try node.node.signingKeyID(unretired: [1]) == 1)
                _ = try node.node.seal([1], for: .form)
                let keys = try node.node.signingKeys()
                #expect(keys.document != #"{"keys":[]}"#)
            }
        }
    }

    /// A new secret signs only once every node lists it.
    @Test func rotation() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let client = try await fixture.client()
            let old = try TestNode(fixture, secrets: Self.a)
            let new = try TestNode(fixture, secrets: Self.both)
            let again = try TestNode(fixture, secrets: Self.both)
            try await old.running {
                try await signs(old, under: 1)
                try await new.running {
                    try await signs(new, under: 1)
                    #expect(try old.node.open(sealed(new, client))?.keyID == 1)

                    await old.stop()
                    try await everyone(fixture, lists: [1, 2])
                    try await again.running {
                        #expect(try again.node.signingKeyID(unretired: [1, 2]) == 2)
                        #expect(try again.node.signingKeyID(unretired: [1]) == 1)
                        let token = try sealed(again, client)
                        #expect(try new.node.open(token)?.keyID == 2)
                    }
                    // The other one finds out by itself.
                    try await signs(new, under: 2)
                }
            }
        }
    }

    @Test func aNodeWithoutAnUnretiredSecretDoesNotStart() async throws {
        try await StoreFixture.with { fixture in
            try await TestNode(fixture, secrets: Self.a + "," + Self.b).running {}
            let error = await #expect(throws: Node.StartError.self) {
                try await TestNode(fixture, secrets: Self.b).running {}
            }
            #expect(error?.description.contains("(key id 1)") == true)
            _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
            try await TestNode(fixture, secrets: Self.b).running {}
            let retired = await #expect(throws: Node.StartError.self) {
                try await TestNode(fixture, secrets: Self.a).running {}
            }
            #expect(retired?.description.contains("(key id 2)") == true)
        }
    }

    /// A secret that is the only one of a running node cannot be retired under it, and no node signs
    /// under a secret that another one lacks.
    @Test func nobodySignsWhatAnotherNodeLacks() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let old = try TestNode(fixture, secrets: Self.a)
            let new = try TestNode(fixture, secrets: Self.both)
            try await old.running {
                try await signs(old, under: 1)
                try await new.running {
                    let error = await #expect(throws: StoreError.self) {
                        _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
                    }
                    #expect(error?.kind == "conflict")
                    #expect(throws: StoreError.self) { try new.node.signingKeyID(unretired: [2]) }
                    try await signs(new, under: 1)
                }
            }
        }
    }

    /// A node whose secrets are all retired stops by itself, and holds nobody up.
    @Test func aNodeWithoutASecretStops() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let old = try TestNode(fixture)
            try await old.running {
                try await fixture.sql("UPDATE secrets SET retired_at = now()")
                await old.ended()
                #expect(throws: StoreError.self) { try old.node.open("dn_at_AAAA") }
                #expect(old.gate.held(at: .now) == nil)
            }
            #expect(try await fixture.rows().isEmpty)
        }
    }

    @Test func manyThatStartAtOnceAgreeOnKeyIDs() async throws {
        try await StoreFixture.with { fixture in
            let signing = Counter()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        let node = try TestNode(fixture, lease: .seconds(5))
                        try await node.running {
                            try await signs(node, under: 1)
                            try await everyone(fixture, lists: [1])
                            signing.add()
                            try await eventually { signing.count == 6 }
                        }
                    }
                }
                try await eventually { try await fixture.rows().count == 6 }
                try await group.waitForAll()
            }
            #expect(try await fixture.rows().isEmpty)
            #expect(try await fixture.value("SELECT max(key_id) FROM secrets") == "1")
        }
    }

    /// The row of a node that was killed is removed by another one, and by nobody else's clock.
    @Test func aDeadNodesRowIsRemoved() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let dead = try TestNode(fixture, lease: .milliseconds(100))
            let other = try TestNode(fixture)
            try await other.running {
                try await dead.running {
                    #expect(try await fixture.rows().count == 2)
                    await dead.stop(leaving: false)
                    // An operator's or a server's clock that jumps makes nobody dead.
                    try await fixture.unguarded(
                        "nodes",
                        sql: "UPDATE nodes SET renewed_at = renewed_at - interval '1 day'")
                    try await eventually("one row is left") {
                        try await fixture.rows().count == 1
                    }
                    let held = try await other.gate.lease(by: Store.deadline)
                    #expect(try await fixture.rows() == [held.incarnation])
                }
            }
        }
    }

    /// What one node seals, every node opens, until its secret is retired.
    @Test func sealsForAllNodes() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let old = try TestNode(fixture, secrets: Self.a)
            let both = try TestNode(fixture, secrets: Self.both)
            let after = try TestNode(fixture, secrets: Self.both)
            #expect(throws: StoreError.self) { try old.node.seal([], for: .form) }
            #expect(throws: StoreError.self) { try old.node.keyedHash("ada", for: .throttle) }
            #expect(throws: StoreError.self) { try old.node.gate.outage() }
            try await old.running {
                #expect(try old.node.gate.outage() == nil)
                try await signs(old, under: 1)
                try await both.running {
                    try await signs(both, under: 1)
                    let sealed = try old.node.seal([1, 2, 3], for: .form).value
                    for node in [old.node, both.node] {
                        #expect(try node.unseal(sealed, for: .form) == [1, 2, 3])
                        #expect(try node.unseal(sealed, for: .device) == nil)
                        #expect(try node.unseal(sealed + "A", for: .form) == nil)
                        #expect(try node.unseal("", for: .form) == nil)
                    }
                    let hash = try old.node.keyedHash("ada", for: .throttle)
                    #expect(try both.node.keyedHash("ada", for: .throttle) == hash)

                    let grant = StoreFixture.identifier()
                    let refresh = RefreshToken(grant: grant, generation: 1, keyID: 1)
                    let code = AuthorizationCode(id: grant, keyID: 1)
                    let texts = (
                        refresh: try #require(try old.node.codec().seal(refresh)).value,
                        code: try #require(try old.node.codec().seal(code)).value
                    )
                    #expect(try both.node.open(texts.refresh) == .refresh(refresh))
                    #expect(try both.node.openCode(texts.code) == code)
                    #expect(try both.node.open(texts.code) == nil)
                    #expect(try both.node.openCode(texts.refresh) == nil)

                    await old.stop()
                    try await everyone(fixture, lists: [1, 2])
                    _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
                    try await after.running { () async throws in
                        #expect(try after.node.unseal(sealed, for: .form) == nil)
                        // A token under a retired secret is told from a forged one, and is dead.
                        #expect(try after.node.open(texts.refresh) == .refresh(refresh))
                        #expect(
                            try await fixture.store.liveness(of: .refresh(refresh))
                                .isSecretRetired)
                        #expect(try await fixture.store.code(code).state.isSecretRetired)
                    }
                }
            }
        }
    }
}
