import Cluster
import Lease
import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// Nodes that follow the log, and revocations that hold at each of them.
@Suite struct FollowingTests {
    static let cacheBytes: [Int64] = [1 << 20, 0]

    /// An access token of a grant that lives for five minutes.
    private func accessToken(of grant: Identifier, _ fixture: StoreFixture) async throws -> Token {
        let now = try await fixture.store.ping()
        return .access(
            AccessToken(
                id: StoreFixture.identifier(), keyID: 1, subject: .grant(grant), issuedAt: now,
                expiresAt: now.adding(seconds: 300), scope: nil, audience: nil))
    }

    /// Whether every node says that a token is alive (`true`), or each that it is dead (`false`).
    private func expect(
        _ isAlive: Bool, _ token: Token, at nodes: [TestNode],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for (number, node) in nodes.enumerated() {
            #expect(
                try await (node.answer(about: token) != nil) == isAlive, "node \(number)",
                sourceLocation: sourceLocation)
        }
    }

    enum Way: CaseIterable, Sendable {
        case token, grant, session, user, userDisabled, client, clientDisabled, clientDeleted
        case everything

        func ending(_ home: Home) -> TrustChange {
            let ada = UserReference("ada")
            return switch self {
            case .token: .token(home.token, client: home.client.id)
            case .grant: .grant(home.grant)
            case .session: .session(home.session)
            case .user: .user(ada)
            case .userDisabled: .userDisabled(ada)
            case .client: .client("app")
            case .clientDisabled: .clientDisabled("app")
            case .clientDeleted: .clientDeleted("app")
            case .everything: .everything
            }
        }
    }

    struct Home: Sendable {
        let client: Client
        let session: Identifier
        let grant: Identifier
        let token: AccessToken
    }

    private func home(_ fixture: StoreFixture) async throws -> Home {
        try await fixture.prepareForNodes()
        let (client, cookie, grant) = try await fixture.household()
        guard case .access(let token) = try await accessToken(of: grant, fixture) else {
            throw StoreFixture.Missing()
        }
        return Home(client: client, session: cookie.session, grant: grant, token: token)
    }

    // MARK: Revocations

    /// After the receipt no node answers yes, whether it remembers anything or not.
    @Test(arguments: Way.allCases, cacheBytes)
    func holdsEverywhere(way: Way, cacheBytes: Int64) async throws {
        try await StoreFixture.with { fixture in
            let home = try await home(fixture)
            let token = Token.access(home.token)
            let nodes = try (0..<2).map { _ in try TestNode(fixture, cacheBytes: cacheBytes) }
            try await nodes[0].running {
                try await nodes[1].running {
                    for _ in 0..<3 { try await expect(true, token, at: nodes) }
                    for node in nodes {
                        #expect(node.node.cache.size.entries == (cacheBytes > 0 ? 1 : 0))
                        #expect(node.node.cache.size.hits == (cacheBytes > 0 ? 2 : 0))
                    }
                    _ = try await nodes[0].revoker.end(
                        way.ending(home), because: StoreFixture.cause)
                    try await expect(false, token, at: nodes)
                    let list = try await fixture.store.nodeList()
                    #expect(list.nodes.allSatisfy { $0.applied <= list.endOfLog })
                }
            }
        }
    }

    /// One grant's end says nothing about another.
    @Test func othersLiveOn() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let (client, cookie, first) = try await fixture.household()
            let second = try await fixture.grant(client, cookie)
            let dead = try await accessToken(of: first, fixture)
            let alive = try await accessToken(of: second, fixture)
            let node = try TestNode(fixture)
            try await node.running {
                try await expect(true, dead, at: [node])
                try await expect(true, alive, at: [node])
                _ = try await node.revoker.end(.grant(first), because: StoreFixture.cause)
                try await expect(false, dead, at: [node])
                let hits = node.node.cache.size.hits
                try await expect(true, alive, at: [node])
                #expect(node.node.cache.size.hits == hits + 1)
            }
        }
    }

    /// A command that is no node waits for the nodes all the same.
    @Test func aCommandsRevocation() async throws {
        try await StoreFixture.with { fixture in
            let home = try await home(fixture)
            let node = try TestNode(fixture)
            try await node.running {
                try await expect(true, .access(home.token), at: [node])
                let revoker = Revoker(store: fixture.store, logger: TestDatabase.logger)
                _ = try await revoker.end(.grant(home.grant), because: StoreFixture.cause)
                try await expect(false, .access(home.token), at: [node])
            }
        }
    }

    /// Many tokens, revoked at one node while the other is asked: what was acknowledged is dead.
    @Test(arguments: cacheBytes)
    func manyAtOnce(cacheBytes: Int64) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let (client, _, grant) = try await fixture.household()
            var tokens: [AccessToken] = []
            for _ in 0..<20 {
                guard case .access(let token) = try await accessToken(of: grant, fixture) else {
                    continue
                }
                tokens.append(token)
            }
            let nodes = try (0..<2).map { _ in try TestNode(fixture, cacheBytes: cacheBytes) }
            try await nodes[0].running { [tokens] in
                try await nodes[1].running {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for token in tokens {
                            group.addTask {
                                try await expect(true, .access(token), at: nodes)
                                _ = try await nodes[0].revoker.end(
                                    .token(token, client: client.id), because: StoreFixture.cause)
                                try await expect(false, .access(token), at: nodes)
                            }
                        }
                        try await group.waitForAll()
                    }
                }
            }
        }
    }

    // MARK: Waiting

    /// A node that has not said that it applied it, and may hold a lease, is waited for.
    @Test func isWaitedFor() async throws {
        try await StoreFixture.with { fixture in
            let home = try await home(fixture)
            let silent = StoreFixture.identifier()
            try await fixture.insertNode(silent, lease: 20_000, applied: 0)
            let revoker = Revoker(store: fixture.store, logger: TestDatabase.logger)
            let error = await #expect(throws: StoreError.self) {
                _ = try await revoker.end(
                    .grant(home.grant), because: StoreFixture.cause, by: .now + .seconds(1))
            }
            #expect(error?.kind == "unavailable")
            // It is committed all the same, and whoever asks again is told once it holds.
            #expect(try await fixture.death(of: .access(home.token)) == .grantEnded)
            try await fixture.unguarded(
                "revocation_clock",
                sql: "UPDATE revocation_clock SET timeline_since = now() - interval '1 hour'")
            try await fixture.unguarded("nodes", sql: "UPDATE nodes SET applied = 1000000")
            _ = try await revoker.end(.grant(home.grant), because: StoreFixture.cause)
        }
    }

    /// On a timeline that began a moment ago, what the rows say is not enough.
    @Test func isWaitedForAfterAPromotion() async throws {
        try await StoreFixture.with { fixture in
            let home = try await home(fixture)
            try await fixture.append(1)
            try await fixture.insertNode(lease: 20_000, applied: 1_000_000)
            try await fixture.unguarded(
                "revocation_clock", sql: "UPDATE revocation_clock SET timeline = timeline + 1")
            let revoker = Revoker(store: fixture.store, logger: TestDatabase.logger)
            let error = await #expect(throws: StoreError.self) {
                _ = try await revoker.end(
                    .grant(home.grant), because: StoreFixture.cause, by: .now + .seconds(1))
            }
            #expect(error?.kind == "unavailable")
            try await fixture.unguarded("nodes", sql: "UPDATE nodes SET lease_ms = 1")
            _ = try await revoker.end(.grant(home.grant), because: StoreFixture.cause)
        }
    }

    /// A node that does not reach the database costs one lease, and answers nothing when it is over.
    @Test(arguments: cacheBytes)
    func aNodeThatIsCutOff(cacheBytes: Int64) async throws {
        try await StoreFixture.with { fixture in
            let home = try await home(fixture)
            let token = Token.access(home.token)
            let proxy = try TestProxy(to: fixture.url)
            defer { proxy.stop() }
            let cutOff = try TestNode(
                fixture, lease: .milliseconds(500), cacheBytes: cacheBytes, following: proxy.url)
            let other = try TestNode(fixture, cacheBytes: cacheBytes)
            try await other.running {
                try await cutOff.running {
                    try await expect(true, token, at: [cutOff, other])
                    proxy.freeze()
                    let began = ContinuousClock.now
                    _ = try await other.revoker.end(
                        .grant(home.grant), because: StoreFixture.cause)
                    // It may be waited for less than a lease: it lost a part of it before.
                    #expect(ContinuousClock.now - began < .seconds(4))
                    #expect(cutOff.gate.held(at: .now) == nil)
                    // It reaches the database by its pool, and that proves nothing.
                    await #expect(throws: StoreError.self) {
                        _ = try await cutOff.answer(about: token, by: .now + .milliseconds(300))
                    }
                    await #expect(throws: StoreError.self) {
                        _ = try await cutOff.node.client("app", by: .now + .milliseconds(300))
                    }
                    try await expect(false, token, at: [other])
                    proxy.thaw()
                    try await expect(false, token, at: [cutOff, other])
                }
            }
        }
    }

    /// The row of a node that is gone costs each revocation a lease, until it is removed.
    @Test func aNodeThatIsGone() async throws {
        try await StoreFixture.with { fixture in
            let home = try await home(fixture)
            let other = try TestNode(fixture, lease: .seconds(5))
            let gone = try TestNode(fixture, lease: .seconds(2))
            try await other.running {
                // The first entry on a timeline has every revoker wait for a whole lease.
                try await fixture.append(1)
                try await fixture.unguarded(
                    "revocation_clock",
                    sql: "UPDATE revocation_clock SET timeline_since = now() - interval '1 hour'")
                try await gone.running {
                    await gone.stop(leaving: false)
                    #expect(try await fixture.rows().count == 2)
                    let began = ContinuousClock.now
                    _ = try await other.revoker.end(
                        .token(home.token, client: home.client.id), because: StoreFixture.cause)
                    let waited = ContinuousClock.now - began
                    #expect(waited >= .milliseconds(2100))
                    #expect(waited < .seconds(4))
                    let held = try await other.gate.lease(by: Store.deadline)
                    for node in try await fixture.store.nodeList().nodes
                    where node.id != held.incarnation {
                        try await fixture.store.removeNode(node)
                    }
                    #expect(try await fixture.rows() == [held.incarnation])
                    // Were it waited for, this would not be in time.
                    _ = try await other.revoker.end(
                        .grant(home.grant), because: StoreFixture.cause, by: .now + .seconds(2))
                }
            }
        }
    }
}
