import Lease
import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// Refresh tokens: the row of their grant has the last word.
@Suite struct GrantRotationTests {
    enum Answer: Sendable, Equatable { case next, same, replay, stateLost, over }

    /// The answer to a token whose grant stands at generation 5.
    private func answer(
        _ fixture: StoreFixture, _ rotation: Rotation
    ) async throws -> Answer {
        switch try await fixture.store.rotate(rotation) {
        case .issue(let token, _):
            #expect(token.grant == rotation.grant)
            if token.generation == 6 { return .next }
            #expect(token.generation == 5)
            return .same
        case .replay: return .replay
        case .stateLost: return .stateLost
        case .over: return .over
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let generation: Int64
        /// How long ago generation 5 was issued.
        var rotatedSecondsAgo = 1
        var window: Int64 = 30
        var rotates = true
        /// When an outage began and ended, in seconds before now.
        var outage: (began: Int64, ended: Int64)?
        /// What an operator or the time did to the row.
        var change = ""
        let answer: Answer

        var testDescription: String {
            "\(generation), \(rotatedSecondsAgo) s, window \(window), \(rotates), "
                + "\(outage.map { "\($0)" } ?? ""), \(change): \(answer)"
        }
    }

    static let rows = [
        Row(generation: 5, answer: .next), Row(generation: 5, window: 0, answer: .next),
        Row(generation: 5, rotatedSecondsAgo: 100_000, answer: .next),
        // The one before: a retry while the window lasts, and a replay after it.
        Row(generation: 4, answer: .same), Row(generation: 4, rotatedSecondsAgo: 20, answer: .same),
        Row(generation: 4, rotatedSecondsAgo: 30, answer: .replay),
        Row(generation: 4, rotatedSecondsAgo: 100_000, answer: .replay),
        Row(generation: 4, rotatedSecondsAgo: 0, window: 0, answer: .replay),
        Row(generation: 4, window: 0, answer: .replay),
        Row(generation: 4, rotatedSecondsAgo: 3_500, window: 3_600, answer: .same),
        // Any older one, whatever the window.
        Row(generation: 3, answer: .replay), Row(generation: 3, window: 3_600, answer: .replay),
        Row(generation: 1, answer: .replay), Row(generation: 0, answer: .replay),
        Row(generation: -1, answer: .replay), Row(generation: .min, answer: .replay),
        Row(generation: 3, outage: (3, 0), answer: .replay),
        // A newer one proves that state was lost.
        Row(generation: 6, answer: .stateLost), Row(generation: 99, answer: .stateLost),
        // Without rotation, the token comes back; what rotation left behind stays dead.
        Row(generation: 5, rotates: false, answer: .same),
        Row(generation: 4, rotates: false, answer: .same),
        Row(generation: 4, rotatedSecondsAgo: 31, rotates: false, answer: .replay),
        Row(generation: 3, rotates: false, answer: .replay),
        // An outage that began before the window was over puts its end off.
        Row(generation: 4, rotatedSecondsAgo: 100, outage: (90, 5), answer: .same),
        Row(generation: 4, rotatedSecondsAgo: 100, outage: (110, 5), answer: .same),
        Row(generation: 4, rotatedSecondsAgo: 100, outage: (75, 25), answer: .same),
        Row(generation: 4, rotatedSecondsAgo: 100, outage: (90, 31), answer: .replay),
        Row(generation: 4, rotatedSecondsAgo: 100, outage: (65, 5), answer: .replay),
        Row(generation: 4, rotatedSecondsAgo: 100, outage: (10, 5), answer: .replay),
        Row(generation: 4, rotatedSecondsAgo: 10, outage: (90, 60), answer: .same),
        Row(generation: 5, outage: (90, 5), answer: .next),
        // What has ended or expired.
        Row(generation: 5, change: "revoked_at = now()", answer: .over),
        Row(generation: 4, change: "revoked_at = now()", answer: .over),
        Row(generation: 3, change: "revoked_at = now()", answer: .over),
        Row(generation: 6, change: "revoked_at = now()", answer: .over),
        Row(generation: 5, change: "expires_at = now()", answer: .over),
        Row(generation: 4, change: "expires_at = now()", answer: .over),
        Row(generation: 5, change: "idle_expires_at = now()", answer: .over),
        Row(generation: 4, change: "idle_expires_at = now()", answer: .over),
        Row(generation: 5, rotates: false, change: "idle_expires_at = now()", answer: .over),
        Row(generation: 5, rotates: false, change: "revoked_at = now()", answer: .over),
        Row(
            generation: 4, rotatedSecondsAgo: 100, outage: (90, 5), change: "revoked_at = now()",
            answer: .over),
    ]

    /// The whole table, on one row after the other: the decision, and what it writes.
    @Test func decides() async throws {
        try await StoreFixture.with { fixture in
            let now = try await fixture.store.ping().seconds
            for row in Self.rows {
                let grant = StoreFixture.identifier()
                try await fixture.bareGrant(grant, generation: 5, secondsAgo: row.rotatedSecondsAgo)
                if !row.change.isEmpty {
                    try await fixture.sql("UPDATE grants SET \(row.change) WHERE id = '\(grant)'")
                }
                let text =
                    "SELECT generation || ' ' || retries || ' ' || rotated_at::text "
                    + "|| ' ' || idle_expires_at::text FROM grants WHERE id = '\(grant)'"
                let before = try await fixture.value(text).split(separator: " ").map(String.init)
                let found = try await answer(
                    fixture,
                    StoreFixture.rotation(
                        grant, row.generation, idleSeconds: 5_000, retryWindowSeconds: row.window,
                        rotates: row.rotates,
                        outage: row.outage.map {
                            Outage(
                                began: UnixTime(seconds: now - $0.began),
                                ended: UnixTime(seconds: now - $0.ended))
                        }))
                #expect(found == row.answer, "\(row.testDescription)")
                let after = try await fixture.value(text).split(separator: " ").map(String.init)
                switch found {
                case .next:
                    #expect(after[0] == "6")
                    #expect(after[2...] != before[2...])
                case .same:
                    // A retry is written down, and is no use of the new token.
                    let isRetry = row.generation == 4
                    #expect(after[0] == "5")
                    #expect(after[1] == (isRetry ? "1" : "0"), "\(row.testDescription)")
                    if isRetry { #expect(after[2...] == before[2...]) }
                case .replay, .stateLost, .over:
                    #expect(after == before, "\(row.testDescription)")
                }
            }
            #expect(
                try await answer(fixture, StoreFixture.rotation(StoreFixture.identifier(), 5))
                    == .over)
            // Only what an operator ended above was an end.
            #expect(try await Set(fixture.log().map { $0.prefix(10) }) == ["grant true"])
        }
    }

    /// A retry gets the very text of the first answer, also where another secret signs by now.
    @Test func theRetryKeepsItsSecret() async throws {
        try await StoreFixture.with { fixture in
            let grant = StoreFixture.identifier()
            try await fixture.bareGrant(grant, generation: 5)
            let store = fixture.store
            func issued(_ rotation: Rotation) async throws -> RefreshToken? {
                if case .issue(let token, _) = try await store.rotate(rotation) {
                    token
                } else {
                    nil
                }
            }
            let first = try await issued(StoreFixture.rotation(grant, 5, keyID: 7))
            #expect(first == RefreshToken(grant: grant, generation: 6, keyID: 7))
            for keyID in [UInt8(7), 8, 255] {
                #expect(
                    try await issued(StoreFixture.rotation(grant, 5, keyID: keyID)) == first)
            }
            let second = try await issued(StoreFixture.rotation(grant, 6, keyID: 9))
            #expect(second == RefreshToken(grant: grant, generation: 7, keyID: 9))
            // With rotation off, the token comes back under the newest secret.
            let off = try await issued(
                StoreFixture.rotation(grant, 7, keyID: 200, rotates: false))
            #expect(off == RefreshToken(grant: grant, generation: 7, keyID: 200))
        }
    }

    /// Each ancestor of three rotations in one second is a replay, but for the last one's retry.
    @Test func ancestors() async throws {
        try await StoreFixture.with { fixture in
            let grant = StoreFixture.identifier()
            try await fixture.bareGrant(grant, generation: 1)
            for generation in Int64(1)...10 {
                guard
                    case .issue(let token, _) = try await fixture.store.rotate(
                        StoreFixture.rotation(grant, generation))
                else { throw StoreFixture.Missing() }
                #expect(token.generation == generation + 1)
            }
            for generation in Int64(1)...9 {
                #expect(
                    try await fixture.store.rotate(StoreFixture.rotation(grant, generation))
                        == .replay)
            }
            guard
                case .issue(let again, _) = try await fixture.store.rotate(
                    StoreFixture.rotation(grant, 10))
            else { throw StoreFixture.Missing() }
            #expect(again.generation == 11)
        }
    }

    /// Fifty at once with one token over two nodes: one successor for all, and no replay.
    @Test(arguments: [true, false])
    func fiftyAtOnce(rotates: Bool) async throws {
        try await StoreFixture.with { fixture in
            let grant = StoreFixture.identifier()
            try await fixture.bareGrant(grant, generation: 5)
            try await fixture.withOtherStore { other in
                for generation in Int64(5)...7 {
                    let present = rotates ? generation : 5
                    let verdicts = try await withThrowingTaskGroup(
                        of: RefreshTokenGrant.Verdict.self
                    ) { group in
                        for index in 0..<50 {
                            let store = index % 2 == 0 ? fixture.store : other
                            // Each node would sign under a secret of its own.
                            let rotation = StoreFixture.rotation(
                                grant, present, keyID: UInt8(index % 2 + 1), rotates: rotates)
                            group.addTask { try await store.rotate(rotation) }
                        }
                        return try await group.reduce(into: []) { $0.append($1) }
                    }
                    var tokens: Set<RefreshToken> = []
                    for verdict in verdicts {
                        guard case .issue(let token, _) = verdict else {
                            Issue.record("\(verdict)")
                            continue
                        }
                        tokens.insert(token)
                    }
                    #expect(
                        Set(tokens.map(\.generation)) == [rotates ? generation + 1 : 5])
                    if rotates { #expect(tokens.count == 1) }
                }
            }
            let expected = rotates ? "8" : "5"
            #expect(try await fixture.value("SELECT generation FROM grants") == expected)
        }
    }

    /// Tokens of one grant that differ arrive together: each gets the answer it would get alone.
    @Test func oneBatch() async throws {
        try await StoreFixture.with { fixture in
            let store = fixture.store
            for round in 0..<5 {
                let grant = StoreFixture.identifier()
                try await fixture.bareGrant(grant, generation: 5, secondsAgo: 100)
                let bystander = StoreFixture.identifier()
                try await fixture.bareGrant(bystander, generation: 1)
                let verdicts = try await withThrowingTaskGroup(
                    of: (Int64, RefreshTokenGrant.Verdict).self
                ) { group in
                    for generation in [Int64(3), 4, 5, 9, 5, 3] {
                        group.addTask {
                            let rotation = StoreFixture.rotation(grant, generation)
                            return (generation, try await store.rotate(rotation))
                        }
                    }
                    for _ in 0..<20 {
                        group.addTask {
                            (-1, try await store.rotate(StoreFixture.rotation(bystander)))
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(verdicts.count == 26)
                for (generation, verdict) in verdicts {
                    switch (generation, verdict) {
                    case (3, .replay), (4, .replay), (9, .stateLost): break
                    case (5, .issue(let token, _)): #expect(token.generation == 6)
                    case (-1, .issue(let token, _)): #expect(token.generation == 2)
                    default: Issue.record("round \(round): \(generation) is \(verdict)")
                    }
                }
            }
        }
    }

    /// A rotation touches no index, so that a busy grant stays in one page; a retry neither.
    @Test func aRotationIsAHotUpdate() async throws {
        try await StoreFixture.with { fixture in
            let grant = StoreFixture.identifier()
            try await fixture.bareGrant(grant, generation: 1)
            let rotate = try #require(Statements.all.first { $0.name == "grants_rotate" })
            try await fixture.sql("PREPARE rotate AS \(rotate.sql)")
            try await fixture.sql("BEGIN")
            for (generation, rotates) in [(1, true), (1, true), (2, true), (3, false)] {
                try await fixture.sql(
                    "EXECUTE rotate ('{\(grant)}', '{\(generation)}', '{1}', '{60}', '{30}', "
                        + "'{\(rotates)}', '{9223372036854775807}', '{0}')")
            }
            #expect(
                try await fixture.value(
                    "SELECT n_tup_upd || ' ' || n_tup_hot_upd FROM pg_stat_xact_user_tables "
                        + "WHERE relid = 'grants'::regclass") == "4 4")
            try await fixture.sql("COMMIT")
            #expect(
                try await fixture.value("SELECT generation || ' ' || retries FROM grants") == "3 1")
            // It is no end, and the log has nothing of it.
            #expect(try await fixture.log().isEmpty)
        }
    }
}

/// Grants: ended, guarded and logged.
@Suite struct GrantTests {
    /// Ending is done again by a write of its own, and says by whom and why each time.
    @Test func revokes() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, grant) = try await fixture.household()
            let other = try await fixture.grant(client, cookie)
            #expect(try await fixture.death(of: grant) == nil)
            for index in 1...3 {
                _ = try await fixture.store.revokeGrant(
                    grant, because: Cause(reason: "reason \(index)", actor: "me"))
            }
            #expect(try await fixture.death(of: grant) == .grantEnded)
            let refresh = Token.refresh(RefreshToken(grant: grant, generation: 1, keyID: 1))
            #expect(try await fixture.death(of: refresh) == .grantEnded)
            #expect(try await fixture.store.rotate(StoreFixture.rotation(grant)) == .over)
            #expect(try await fixture.death(of: other) == nil)
            #expect(try await fixture.isAlive(cookie))
            #expect(try await fixture.log() == (1...3).map { "grant true reason \($0) me" })
            #expect(
                try await fixture.value(
                    "SELECT revocations || ' ' || revoked_reason || ' ' || revoked_by FROM grants "
                        + "WHERE revoked_at IS NOT NULL") == "3 reason 3 me")
            let error = await #expect(throws: StoreError.self) {
                _ = try await fixture.store.revokeGrant(
                    StoreFixture.identifier(), because: StoreFixture.cause)
            }
            #expect(error?.kind == "missing")
        }
    }

    /// Many ends at once, some of the same grant and some of none, are one commit or a few.
    @Test func manyAtOnce() async throws {
        try await StoreFixture.with { fixture in
            var grants: [Identifier] = []
            for _ in 0..<20 {
                grants.append(StoreFixture.identifier())
                try await fixture.bareGrant(grants[grants.count - 1], generation: 1)
            }
            let all = grants
            let missing = try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<100 {
                    group.addTask {
                        let id = index < 90 ? all[index % 20] : StoreFixture.identifier()
                        do {
                            _ = try await fixture.store.revokeGrant(
                                id, because: Cause(reason: "\(index % 2)", actor: "me"))
                            return false
                        } catch StoreError.missing {
                            return true
                        }
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(missing == 10)
            #expect(
                try await fixture.value("SELECT count(*) FROM grants WHERE revoked_at IS NULL")
                    == "0")
            let numbers = try await fixture.column("SELECT number FROM revocations ORDER BY 1")
            #expect(numbers == (1...numbers.count).map(String.init))
            #expect(numbers.count >= 20)
        }
    }

    @Test func anOperatorRevivesNothing() async throws {
        try await StoreFixture.with { fixture in
            let grant = StoreFixture.identifier()
            try await fixture.bareGrant(grant, generation: 5)
            _ = try await fixture.store.revokeGrant(grant, because: StoreFixture.cause)
            for refused in [
                "revoked_at = NULL", "generation = 7", "generation = 4", "generation = 1",
                "generation = generation + 2", "id = gen_random_uuid()",
                "client = gen_random_uuid()", "user_id = gen_random_uuid()",
                "session = gen_random_uuid()", "client_epoch = 2", "client_epoch = 0",
                "user_epoch = 2", "user_epoch = 0", "is_offline = true",
            ] {
                let error = await #expect(throws: PostgresError.self, "\(refused)") {
                    try await fixture.sql("UPDATE grants SET \(refused)")
                }
                guard case .refused("23000", _, _)? = error else {
                    Issue.record("\(refused): \(String(describing: error))")
                    continue
                }
            }
            #expect(try await fixture.log() == ["grant true a test tests"])
        }
    }

    /// An end by hand is logged as one, and the removal of what is dead is not.
    @Test func anOperatorsEnds() async throws {
        try await StoreFixture.with { fixture in
            var grants: [Identifier] = []
            for _ in 0..<4 {
                grants.append(StoreFixture.identifier())
                try await fixture.bareGrant(grants[grants.count - 1], generation: 1)
            }
            try await fixture.sql(
                """
                UPDATE grants SET revoked_at = now() WHERE id = '\(grants[0])';
                DELETE FROM grants WHERE id = '\(grants[0])';
                DELETE FROM grants WHERE id = '\(grants[1])';
                UPDATE grants SET expires_at = now() - interval '25 hours' WHERE id = '\(grants[2])';
                DELETE FROM grants WHERE id = '\(grants[2])';
                UPDATE grants SET scope = '{x}', last_used_at = now() WHERE id = '\(grants[3])';
                """)
            let log = try await fixture.column(
                "SELECT reason || ' ' || (actor LIKE 'sql:%') || ' ' || subject "
                    + "FROM revocations ORDER BY number")
            #expect(
                log == [
                    "changed in SQL true \(grants[0])", "grant deleted true \(grants[1])",
                    "changed in SQL true \(grants[2])", "changed in SQL true \(grants[3])",
                ])
            try await fixture.sql("TRUNCATE grants")
            #expect(try await fixture.log().last?.hasPrefix("everything true grants") == true)
        }
    }
}

extension StoreFixture {
    /// A grant's row by itself.
    func bareGrant(_ id: Identifier, generation: Int64, secondsAgo: Int = 0) async throws {
        try await sql(
            """
            INSERT INTO grants (
                id, client, client_epoch, user_id, user_epoch, session, is_offline, scope,
                audiences, generation, rotated_at, key_id, idle_expires_at, expires_at)
            VALUES ('\(id)', gen_random_uuid(), 1, gen_random_uuid(), 1, gen_random_uuid(), false,
                    '{a}', '{}', \(generation),
                    clock_timestamp() - interval '\(secondsAgo) seconds', 1, now() + interval '1 day',
                    now() + interval '2 days')
            """)
    }
}
