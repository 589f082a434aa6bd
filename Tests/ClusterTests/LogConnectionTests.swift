import Lease
import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// What a node asks of the database, one statement after another.
@Suite struct LogConnectionTests {
    private var soon: ContinuousClock.Instant { .now + .seconds(30) }

    private func with(
        _ body: @escaping @Sendable (StoreFixture, LogConnection) async throws -> Void
    ) async throws {
        try await StoreFixture.with { fixture in
            let log = try await LogConnection.open(
                fixture.url, logger: TestDatabase.logger, deadline: soon)
            try await body(fixture, log)
            await log.close()
        }
    }

    private func join(
        _ log: LogConnection, as id: Identifier,
        insteadOf previous: Identifier = StoreFixture.identifier(), secrets: [ServerSecret] = [],
        lease: Duration = .milliseconds(250)
    ) async throws -> Joining {
        try await log.join(
            as: id, insteadOf: previous, fingerprints: secrets.map(\.fingerprint),
            version: "1.2.3", lease: lease, deadline: soon)
    }

    private func poll(
        _ log: LogConnection, _ joining: Joining, applied: Int64 = 0, keyIDs: Set<UInt8>? = nil
    ) async throws -> Poll {
        try await log.poll(joining, applied: applied, keyIDs: keyIDs, deadline: soon)
    }

    // MARK: Join

    @Test func joins() async throws {
        try await with { fixture, log in
            try await fixture.append(3)
            let id = StoreFixture.identifier()
            let joining = try await join(log, as: id, lease: .milliseconds(321))
            #expect(joining.endOfLog == 3)
            #expect(
                try await fixture.value("SELECT log_id FROM revocation_clock")
                    == joining.logID.description)
            #expect(
                try await fixture.column(
                    "SELECT concat_ws(' ', id, key_ids, version, lease_ms, applied) FROM nodes")
                    == ["\(id) {} 1.2.3 321 3"])
            let node = try #require(try await fixture.store.nodeList().nodes.first)
            #expect(node.id == id)
            #expect(node.lease == .milliseconds(321))
            #expect(node.applied == 3)
            #expect(node.keyIDs.isEmpty)
        }
    }

    @Test func takesThePlaceOfItsPreviousRow() async throws {
        try await with { fixture, log in
            let ids = (0..<3).map { _ in StoreFixture.identifier() }
            _ = try await join(log, as: ids[0])
            _ = try await join(log, as: ids[1])
            _ = try await join(log, as: ids[2], insteadOf: ids[0])
            #expect(try await fixture.rows() == [ids[1], ids[2]])
            // An id is used once.
            await #expect(throws: StoreError.self) { try await join(log, as: ids[1]) }
            #expect(try await fixture.rows() == [ids[1], ids[2]])
        }
    }

    /// It lists the secrets that it holds, the database knows, and nobody retired.
    @Test func listsItsSecrets() async throws {
        try await with { fixture, log in
            let secrets = try ["a", "b", "c", "d"].map {
                try ServerSecret("0123456789abcdef0123456789abcdef-" + $0)
            }
            for secret in secrets[..<3] { try await fixture.store.admit(secret) }
            _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
            let id = StoreFixture.identifier()
            _ = try await join(log, as: id, secrets: [secrets[3], secrets[2], secrets[0]])
            #expect(try await fixture.store.nodeList().nodes.first?.keyIDs == [3])
            let all = StoreFixture.identifier()
            _ = try await join(log, as: all, insteadOf: id, secrets: secrets)
            #expect(try await fixture.store.nodeList().nodes.first?.keyIDs == [2, 3])
        }
    }

    // MARK: Poll

    @Test func renewsAndReports() async throws {
        try await with { fixture, log in
            let id = StoreFixture.identifier()
            let joining = try await join(log, as: id)
            let before = try #require(try await fixture.store.nodeList().nodes.first)
            let poll = try await poll(log, joining, keyIDs: [3, 200])
            #expect(poll.isRenewed)
            #expect(poll.endOfLog == 0)
            #expect(poll.entries.isEmpty)
            #expect(poll.reign == joining.reign)
            let after = try #require(try await fixture.store.nodeList().nodes.first)
            #expect(after.renewedAt != before.renewedAt)
            #expect(after.keyIDs == [3, 200])

            try await fixture.append(5)
            let news = try await self.poll(log, joining)
            #expect(news.isRenewed)
            #expect(news.endOfLog == 5)
            #expect(news.entries.map(\.number) == [1, 2, 3, 4, 5])
            // Not before it says so.
            #expect(try await fixture.store.nodeList().nodes.first?.applied == 0)
            let reported = try await self.poll(log, joining, applied: 3)
            #expect(reported.entries.map(\.number) == [4, 5])
            let row = try await fixture.store.nodeList().nodes.first
            #expect(row?.applied == 3)
            // What is not said stays.
            #expect(row?.keyIDs == [3, 200])
        }
    }

    @Test func bringsEveryKind() async throws {
        try await with { fixture, log in
            let id = StoreFixture.identifier()
            let joining = try await join(log, as: id)
            let subject = StoreFixture.identifier()
            for kind in ["token", "grant", "session", "user", "client"] {
                try await fixture.sql(
                    "SELECT append_revocation('\(kind)', '\(subject)', NULL, true, 'x', 'x')")
            }
            try await fixture.sql(
                "SELECT append_revocation('secret', NULL, 1::smallint, true, 'x', 'x')")
            try await fixture.sql(
                "SELECT append_revocation('everything', NULL, NULL, true, 'x', 'x')")
            let kinds: [LogEntry.Kind] = [
                .token, .grant, .session, .user, .client, .secret, .everything,
            ]
            let entries = try await poll(log, joining).entries
            #expect(
                entries
                    == kinds.enumerated().map { index, kind in
                        LogEntry(
                            number: Int64(index) + 1, kind: kind,
                            subject: index < 5 ? subject : nil)
                    })
        }
    }

    /// No more than two thousand at a time, in order, and then the rest.
    @Test func aLongLogComesInParts() async throws {
        try await with { fixture, log in
            let id = StoreFixture.identifier()
            let joining = try await join(log, as: id)
            for _ in 0..<5 { try await fixture.append(900) }
            var applied: Int64 = 0
            for count in [2000, 2000, 500, 0] {
                let poll = try await poll(log, joining, applied: applied)
                #expect(poll.isRenewed)
                #expect(poll.endOfLog == 4500)
                #expect(
                    poll.entries.map(\.number)
                        == Array((applied + 1)..<(applied + 1 + Int64(count))))
                applied += Int64(count)
            }
        }
    }

    enum Stranger: CaseIterable, Sendable {
        case neverJoined, removed, otherLog, restored, otherTimeline, otherSystem
    }

    /// A poll that is about another row, log or primary renews nothing, and brings no row back.
    @Test(arguments: Stranger.allCases)
    func whatIsNotRenewed(stranger: Stranger) async throws {
        try await with { fixture, log in
            let joining = try await join(log, as: StoreFixture.identifier())
            func other(
                _ incarnation: Identifier? = nil, logID: Identifier? = nil, system: Int64 = 0,
                timeline: Int32 = 0
            ) -> Joining {
                Joining(
                    incarnation: incarnation ?? joining.incarnation,
                    reign: Reign(
                        systemIdentifier: joining.reign.systemIdentifier + system,
                        timeline: joining.reign.timeline + timeline),
                    logID: logID ?? joining.logID, endOfLog: 0)
            }
            var following = joining
            switch stranger {
            case .neverJoined: following = other(StoreFixture.identifier())
            case .removed:
                let node = try #require(try await fixture.store.nodeList().nodes.first)
                try await fixture.store.removeNode(node)
            case .otherLog: following = other(logID: Identifier(high: 1, low: 1))
            case .restored:
                try await fixture.sql("UPDATE revocation_clock SET log_id = gen_random_uuid()")
            case .otherTimeline: following = other(timeline: 1)
            case .otherSystem: following = other(system: 1)
            }
            let before = try await fixture.column("SELECT nodes::text FROM nodes")
            try await fixture.append(2)
            let poll = try await poll(log, following, applied: 1)
            #expect(!poll.isRenewed)
            #expect(poll.endOfLog == 2)
            #expect(poll.reign == joining.reign)
            #expect(try await fixture.column("SELECT nodes::text FROM nodes") == before)
        }
    }

    /// A row is removed only as it was read.
    @Test func aRowThatWasRenewedMeanwhileStays() async throws {
        try await with { fixture, log in
            let id = StoreFixture.identifier()
            let joining = try await join(log, as: id)
            let read = try #require(try await fixture.store.nodeList().nodes.first)
            #expect(try await poll(log, joining).isRenewed)
            try await fixture.store.removeNode(read)
            #expect(try await fixture.rows() == [id])
            #expect(try await poll(log, joining).isRenewed)
            try await fixture.store.leaveNode(id)
            #expect(try await fixture.rows().isEmpty)
            #expect(try await !poll(log, joining).isRenewed)
        }
    }

    // MARK: News

    @Test func newsWakesWhoeverWaits() async throws {
        try await with { fixture, log in
            // What was said before anybody waited is not waited for.
            try await fixture.append(3)
            let began = ContinuousClock.now
            try await log.waitForNews(by: began + .seconds(60))
            // All of it is one piece of news, or a few.
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await log.waitForNews(by: began + .seconds(60)) }
                group.addTask {
                    try await Task.sleep(for: .milliseconds(50))
                    try await fixture.append(1)
                }
                try await group.waitForAll()
            }
            #expect(ContinuousClock.now - began < .seconds(50))
        }
    }

    @Test func withoutNewsItWaitsNoLonger() async throws {
        try await with { fixture, log in
            try await log.waitForNews(by: .now + .milliseconds(20))
            // What is rolled back is no news.
            try await fixture.sql("BEGIN")
            try await fixture.append(1)
            try await fixture.sql("ROLLBACK")
            try await log.waitForNews(by: .now + .milliseconds(20))
            let id = StoreFixture.identifier()
            #expect(try await join(log, as: id).endOfLog == 0)
        }
    }

    @Test func aLostConnectionIsNoNews() async throws {
        try await StoreFixture.with { fixture in
            let proxy = try TestProxy(to: fixture.url)
            defer { proxy.stop() }
            let log = try await LogConnection.open(
                proxy.url, logger: TestDatabase.logger, deadline: soon)
            let id = StoreFixture.identifier()
            let joining = try await join(log, as: id)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    // Tests beside this one share the channel; their news comes through until then.
                    await #expect(throws: StoreError.self) {
                        let end = ContinuousClock.now + .seconds(60)
                        while .now < end { try await log.waitForNews(by: end) }
                    }
                }
                try await Task.sleep(for: .milliseconds(50))
                proxy.cut()
                try await group.waitForAll()
            }
            await #expect(throws: StoreError.self) { try await poll(log, joining) }
            await log.close()
        }
    }

    // MARK: The list of nodes

    @Test func theListOfNodes() async throws {
        try await with { fixture, log in
            var list = try await fixture.store.nodeList()
            #expect(list.endOfLog == 0)
            #expect(list.timelineAge == nil)
            #expect(list.nodes.isEmpty)

            try await fixture.append(1)
            list = try await fixture.store.nodeList()
            #expect(list.endOfLog == 1)
            let age = try #require(list.timelineAge)
            #expect(abs(age.components.seconds) < 600)
            // Later entries on the same timeline make it no younger.
            let since = "SELECT timeline || ' ' || timeline_since FROM revocation_clock"
            let first = try await fixture.value(since)
            try await fixture.append(1)
            #expect(try await fixture.value(since) == first)

            // A log that another timeline wrote last; then this one writes.
            try await fixture.unguarded(
                "revocation_clock",
                sql: "UPDATE revocation_clock SET timeline = timeline + 1, "
                    + "timeline_since = timeline_since - interval '1 hour'")
            #expect(try await fixture.store.nodeList().timelineAge == nil)
            try await fixture.append(1)
            let young = try #require(try await fixture.store.nodeList().timelineAge)
            #expect(young < .seconds(600))

            // Where the clock is far behind the purge horizon, too: it is young by the clock.
            try await fixture.unguarded(
                "purge_horizon", sql: "UPDATE purge_horizon SET at = now() + interval '2 days'")
            #expect(try #require(try await fixture.store.nodeList().timelineAge) < .seconds(600))
            #expect(try await fixture.store.examine().silentNodes == 0)

            // A clock that was set back.
            try await fixture.unguarded(
                "revocation_clock",
                sql: "UPDATE revocation_clock SET timeline_since = now() + interval '1 hour'")
            #expect(try #require(try await fixture.store.nodeList().timelineAge) < .zero)

            let ids = [StoreFixture.identifier(), StoreFixture.identifier()]
            _ = try await join(log, as: ids[0], lease: .milliseconds(100))
            _ = try await join(log, as: ids[1], lease: .seconds(10))
            list = try await fixture.store.nodeList()
            #expect(list.endOfLog == 3)
            #expect(Set(list.nodes.map(\.id)) == Set(ids))
            #expect(list.nodes.map(\.applied) == [3, 3])
            #expect(Set(list.nodes.map(\.lease)) == [.milliseconds(100), .seconds(10)])
        }
    }
}
