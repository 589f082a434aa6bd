import Cluster
import Lease
import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// Nodes that have to join again, and what they remember then.
@Suite struct RejoinTests {
    enum Cause: CaseIterable, Sendable {
        case rowRemoved, otherLog, restored, gap

        func happen(_ fixture: StoreFixture) async throws {
            switch self {
            case .rowRemoved: try await fixture.unguarded("nodes", sql: "DELETE FROM nodes")
            case .otherLog:
                try await fixture.sql("UPDATE revocation_clock SET log_id = gen_random_uuid()")
            case .restored:
                let revoker = Revoker(store: fixture.store, logger: TestDatabase.logger)
                _ = try await revoker.end(.everything, because: StoreFixture.cause)
            case .gap:
                // The number goes up, and its row is not there.
                try await fixture.sql(
                    "UPDATE revocation_clock SET last_number = last_number + 1")
            }
        }
    }

    /// A client's own token that the node knows, and the client.
    private func fill(_ node: TestNode, _ fixture: StoreFixture) async throws -> Token {
        let client = try await fixture.client()
        let token = try await Token.access(fixture.token(of: client))
        _ = try await node.node.client("app", by: Store.deadline)
        #expect(try await node.answer(about: token) != nil)
        #expect(try await node.answer(about: token) != nil)
        #expect(node.node.cache.size.entries == 1)
        #expect(node.node.cache.size.hits == 1)
        #expect(node.node.cache.client("app") != nil)
        return token
    }

    /// It has another row, and nothing that it remembered counts; then it remembers again.
    @Test(arguments: Cause.allCases)
    func joinsAgain(cause: Cause) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let node = try TestNode(fixture)
            try await node.running {
                let token = try await fill(node, fixture)
                let before = try await node.gate.lease(by: Store.deadline).incarnation
                #expect(try await fixture.rows() == [before])
                try await cause.happen(fixture)
                try await eventually("it has another row") {
                    let rows = try await fixture.rows()
                    return rows.count == 1 && !rows.contains(before)
                }
                #expect(node.node.cache.size.entries == 0)
                #expect(node.node.cache.client("app") == nil)

                let answer = try await node.answer(about: token)
                #expect((answer == nil) == (cause == .restored))
                let held = try await node.gate.lease(by: Store.deadline)
                #expect(try await fixture.rows() == [held.incarnation])
                // It says which secrets it holds from the first.
                #expect(try await fixture.store.nodeList().nodes.map(\.keyIDs) == [[1]])
                let hits = node.node.cache.size.hits
                #expect(try await (node.answer(about: token) != nil) == (cause != .restored))
                #expect(node.node.cache.size.hits == hits + (cause == .restored ? 0 : 1))
            }
        }
    }

    /// What ended while it was away is dead when it is back.
    @Test func whatEndsWhileItIsAway() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let proxy = try TestProxy(to: fixture.url)
            defer { proxy.stop() }
            let node = try TestNode(fixture, lease: .milliseconds(500), following: proxy.url)
            try await node.running {
                let token = try await fill(node, fixture)
                proxy.cut()
                try await fixture.unguarded("nodes", sql: "DELETE FROM nodes")
                let revoker = Revoker(store: fixture.store, logger: TestDatabase.logger)
                _ = try await revoker.end(.client("app"), because: StoreFixture.cause)
                proxy.heal()
                // Nobody waited for it: its row was removed. It may only answer under a new lease.
                try await eventually { try await fixture.rows().count == 1 }
                #expect(try await node.answer(about: token) == nil)
            }
        }
    }

    /// A connection that is lost and made again costs nothing that was remembered.
    @Test func aLostConnection() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let proxy = try TestProxy(to: fixture.url)
            defer { proxy.stop() }
            let node = try TestNode(fixture, following: proxy.url)
            try await node.running {
                let token = try await fill(node, fixture)
                let before = try await fixture.rows()
                let row = "SELECT renewed_at FROM nodes"
                proxy.cut()
                proxy.heal()
                let since = try await fixture.value(row)
                try await eventually("it polls again") { try await fixture.value(row) != since }
                #expect(try await fixture.rows() == before)
                let hits = node.node.cache.size.hits
                #expect(try await node.answer(about: token) != nil)
                #expect(node.node.cache.size.hits == hits + 1)
            }
        }
    }

    /// Whatever an operator writes in SQL reaches what nodes remember.
    @Test func aClientThatIsChangedInSQL() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let node = try TestNode(fixture)
            @Sendable func client(_ id: String = "app") async throws -> Client? {
                try await node.node.client(id, by: Store.deadline).client
            }
            try await node.running {
                _ = try await fill(node, fixture)
                #expect(try await client()?.registration.name == "app")
                try await fixture.sql("UPDATE clients SET name = 'another'")
                try await fixture.untilApplied()
                #expect(try await client()?.registration.name == "another")
                try await fixture.sql("UPDATE clients SET audiences = '{https://other.example}'")
                try await fixture.untilApplied()
                #expect(try await client()?.registration.audiences == ["https://other.example"])
                try await fixture.sql("UPDATE clients SET client_id = 'renamed'")
                try await fixture.untilApplied()
                #expect(try await client() == nil)
                #expect(try await client("renamed")?.registration.name == "another")
                try await fixture.sql("UPDATE clients SET disabled_at = now()")
                try await fixture.untilApplied()
                #expect(try await client("renamed")?.isDisabled == true)
                try await fixture.sql("DELETE FROM clients")
                try await fixture.untilApplied()
                #expect(try await client("renamed") == nil)
                // One that is missing is looked for each time: making one is in no log.
                _ = try await fixture.client("renamed")
                #expect(try await client("renamed")?.registration.name == "renamed")
            }
        }
    }

    /// A log that goes on for longer than one poll brings is applied to its end.
    @Test func aLongLog() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.prepareForNodes()
            let node = try TestNode(fixture, lease: .seconds(3))
            try await node.running {
                let token = try await fill(node, fixture)
                let before = try await fixture.rows()
                for _ in 0..<5 { try await fixture.append(900) }
                try await fixture.untilApplied()
                #expect(try await fixture.rows() == before)
                #expect(try await fixture.store.nodeList().nodes.map(\.applied) == [4500])
                let revoker = Revoker(store: fixture.store, logger: TestDatabase.logger)
                _ = try await revoker.end(.client("app"), because: StoreFixture.cause)
                #expect(try await node.answer(about: token) == nil)
            }
        }
    }
}
