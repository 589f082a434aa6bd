import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// Ends, by whatever hand, and the log of them.
@Suite struct EndTests {
    private func log(_ fixture: StoreFixture) async throws -> [String] {
        try await fixture.column(
            "SELECT kind || ' ' || is_end || ' ' || reason || ' ' || actor "
                + "FROM revocations ORDER BY number")
    }

    @Test func aRevokedTokenIsDeadAndLoggedEachTime() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let client = try await fixture.client()
            let token = try await fixture.token(of: client)
            let other = try await fixture.token(of: client)
            #expect(try await fixture.isAlive(token))

            _ = try await fixture.end(token)
            #expect(try await fixture.liveness(of: token) == .dead(.tokenRevoked))
            #expect(try await fixture.isAlive(other))

            // What is dead is written again: its answer rests on a commit of its own.
            _ = try await fixture.end(token)
            #expect(
                try await log(fixture) == ["token true a test tests", "token true a test tests"])
            #expect(try await fixture.value("SELECT times FROM revoked_tokens") == "2")
            #expect(
                try await fixture.column("SELECT number FROM revocations ORDER BY 1") == ["1", "2"])
        }
    }

    enum Way: CaseIterable { case end, disable, delete }

    @Test(arguments: Way.allCases)
    func aClientsEndEndsItsTokens(way: Way) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let client = try await fixture.client()
            let bystander = try await fixture.client("other")
            let token = try await fixture.token(of: client)
            let others = try await fixture.token(of: bystander)
            let store = fixture.store
            switch way {
            case .end:
                _ = try await store.endClient("app", disabling: false, because: StoreFixture.cause)
                #expect(try await fixture.liveness(of: token) == .dead(.clientEnded))
                let after = try #require(try await store.client("app").client)
                #expect(try await fixture.isAlive(fixture.token(of: after)))
            case .disable:
                _ = try await store.endClient("app", disabling: true, because: StoreFixture.cause)
                #expect(try await fixture.liveness(of: token) == .dead(.clientDisabled))
                _ = try await store.enableClient("app", because: StoreFixture.cause)
                #expect(try await fixture.liveness(of: token) == .dead(.clientEnded))
            case .delete:
                _ = try await store.deleteClient("app", because: StoreFixture.cause)
                #expect(try await fixture.liveness(of: token) == .dead(.clientMissing))
                // One that is made again under the same name revives nothing.
                _ = try await fixture.client()
                #expect(try await fixture.liveness(of: token) == .dead(.clientMissing))
            }
            #expect(try await log(fixture).first == "client true a test tests")
            #expect(try await fixture.isAlive(others))
        }
    }

    /// An operator's psql ends things as truly, and cannot bring them back.
    @Test func anOperatorsSQL() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let client = try await fixture.client()
            let token = try await fixture.token(of: client)
            _ = try await fixture.end(token)

            for refused in [
                "UPDATE clients SET epoch = epoch - 1", "DELETE FROM revoked_tokens",
                "TRUNCATE revoked_tokens", "UPDATE revoked_tokens SET id = gen_random_uuid()",
                "UPDATE revoked_tokens SET expires_at = now() - interval '1 day'",
                "UPDATE clients SET id = gen_random_uuid()", "DELETE FROM secrets",
                "TRUNCATE secrets", "UPDATE secrets SET key_id = 9", "DELETE FROM revocation_clock",
                "TRUNCATE revocation_clock", "UPDATE revocation_clock SET last_number = 0",
                "UPDATE revocation_clock SET last_number = last_number + 2",
                "DELETE FROM revocations", "TRUNCATE revocations",
                "UPDATE revocations SET reason = 'x'",
                "INSERT INTO revocations (number, kind, is_end, reason, actor) "
                    + "VALUES (99, 'everything', true, 'x', 'x')",
            ] {
                let error = await #expect(throws: PostgresError.self, "\(refused)") {
                    try await fixture.sql(refused)
                }
                guard case .refused("23000", _, _)? = error else {
                    Issue.record("\(refused): \(String(describing: error))")
                    continue
                }
            }
            #expect(try await log(fixture).count == 1)

            let fresh = try await fixture.token(of: client)
            try await fixture.sql("UPDATE clients SET disabled_at = now()")
            #expect(try await fixture.liveness(of: fresh) == .dead(.clientDisabled))
            try await fixture.sql("UPDATE clients SET disabled_at = NULL")
            #expect(try await fixture.liveness(of: fresh) == .dead(.clientEnded))
            try await fixture.sql("UPDATE clients SET name = 'another'")
            try await fixture.sql("TRUNCATE clients")
            #expect(try await fixture.liveness(of: fresh) == .dead(.clientMissing))
            let kinds = try await fixture.column(
                "SELECT kind || ' ' || is_end FROM revocations ORDER BY number")
            #expect(
                kinds == [
                    "token true", "client true", "client false", "client false", "everything true",
                ])
            #expect(
                try await fixture.value(
                    "SELECT actor LIKE 'sql:%' FROM revocations WHERE number = 2")
                    == "true")
        }
    }

    /// A deleted row that is put back as it was, from a backup or by hand, revives nothing.
    @Test func aRowThatIsPutBackRevivesNothing() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let token = try await fixture.token(of: fixture.client())
            #expect(try await fixture.isAlive(token))
            try await fixture.sql("CREATE TABLE saved AS SELECT * FROM clients")
            _ = try await fixture.store.deleteClient("app", because: StoreFixture.cause)
            try await fixture.sql("INSERT INTO clients SELECT * FROM saved")
            #expect(try await fixture.liveness(of: token) == .dead(.clientEnded))
        }
    }

    /// Temporary tables of the same names do not stand in for the log.
    @Test func theLogIsNotShadowed() async throws {
        try await StoreFixture.with { fixture in
            _ = try await fixture.client()
            let log = try await fixture.value("SELECT current_schema()") + ".revocations"
            try await fixture.sql(
                """
                CREATE TEMP TABLE revocations (LIKE revocations INCLUDING DEFAULTS);
                CREATE TEMP TABLE revocation_clock (last_number bigint, log_id uuid);
                INSERT INTO revocation_clock VALUES (0)
                """)
            try await fixture.sql("UPDATE clients SET epoch = epoch + 1")
            #expect(try await fixture.value("SELECT count(*) FROM \(log)") == "1")
            #expect(try await fixture.value("SELECT count(*) FROM pg_temp.revocations") == "0")
        }
    }

    /// Numbers follow the order of commits without gaps, also with transactions of an operator that
    /// lock rows in the opposite order; nobody deadlocks for good.
    @Test func numbersAreGaplessUnderConcurrency() async throws {
        try await StoreFixture.with { fixture in
            let client = try await fixture.client()
            for index in 0..<4 { _ = try await fixture.client("c\(index)") }
            var tokens: [AccessToken] = []
            for _ in 0..<200 { tokens.append(try await fixture.token(of: client)) }
            let all = tokens
            try await withThrowingTaskGroup(of: Void.self) { group in
                for token in all {
                    group.addTask {
                        _ = try await fixture.end(token)
                    }
                }
                for index in 0..<4 {
                    group.addTask {
                        _ = try await fixture.store.endClient(
                            "c\(index)", disabling: false, because: StoreFixture.cause)
                    }
                }
                group.addTask {
                    for _ in 0..<10 {
                        try await fixture.sql(
                            "BEGIN; UPDATE clients SET epoch = epoch + 1 WHERE client_id = 'c0';"
                                + "UPDATE clients SET epoch = epoch + 1 WHERE client_id = 'c1';"
                                + "COMMIT")
                    }
                }
                try await group.waitForAll()
            }
            let numbers = try await fixture.column(
                "SELECT number FROM revocations ORDER BY number")
            #expect(numbers == (1...224).map(String.init))
            #expect(try await fixture.value("SELECT last_number FROM revocation_clock") == "224")
        }
    }

    @Test func twoTransactionsInOppositeOrderDoNotBothFail() async throws {
        try await StoreFixture.with { fixture in
            for id in ["a", "b"] { _ = try await fixture.client(id) }
            let second = try await PostgresConnection.open(
                url: fixture.url, applicationName: "tests", statements: [],
                deadline: .now + .seconds(10))
            func ending(_ first: String, _ next: String) -> String {
                "BEGIN; UPDATE clients SET epoch = epoch + 1 WHERE client_id = '\(first)';"
                    + "SELECT pg_sleep(0.2);"
                    + "UPDATE clients SET epoch = epoch + 1 WHERE client_id = '\(next)'; COMMIT"
            }
            async let one = Self.succeeds { try await fixture.sql(ending("a", "b")) }
            async let two = Self.succeeds {
                try await second.script(ending("b", "a"), deadline: .now + .seconds(10))
            }
            let outcomes = await [one, two]
            try await fixture.sql("ROLLBACK")
            #expect(outcomes.contains(true))
            let ended = outcomes.filter { $0 }.count * 2
            #expect(
                try await fixture.value("SELECT last_number FROM revocation_clock") == "\(ended)")
            await second.close()
        }
    }

    private static func succeeds(_ work: () async throws -> Void) async -> Bool {
        do {
            try await work()
            return true
        } catch {
            return false
        }
    }

    @Test func restoringEndsEverythingAndBeginsANewLog() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let client = try await fixture.client()
            let token = try await fixture.token(of: client)
            let logID = try await fixture.value("SELECT log_id FROM revocation_clock")
            let (clients, _) = try await fixture.store.endEverything(because: StoreFixture.cause)
            #expect(clients == 1)
            #expect(try await fixture.liveness(of: token) == .dead(.clientEnded))
            #expect(try await fixture.value("SELECT log_id FROM revocation_clock") != logID)
            // Epochs jump past whatever was reached after the backup.
            let epoch = try #require(Int64(try await fixture.value("SELECT epoch FROM clients")))
            #expect(epoch > 1 << 20)
        }
    }
}
