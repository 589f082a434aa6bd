import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// A command whose commit went through and whose answer did not: done again, it knows itself.
@Suite struct LostReplyTests {
    /// Runs something by a store whose connection is cut while a change of a table is committed.
    private static func cutting(
        _ table: String, _ fixture: StoreFixture,
        _ work: @escaping @Sendable (Store) async throws -> Void
    ) async throws {
        try await fixture.sql(
            """
            CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER slow AFTER UPDATE OR DELETE ON \(table)
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION be_slow()
            """)
        let proxy = try TestProxy(to: fixture.url)
        defer { proxy.stop() }
        let name = "lost-\(StoreFixture.identifier())"
        let store = Store(
            PostgresPool.Configuration(url: proxy.url, size: 2, applicationName: name),
            logger: TestDatabase.logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await store.run() }
            group.addTask {
                _ = try await store.ping()
                async let done: Void = work(store)
                let committing = """
                    SELECT count(*) FROM pg_stat_activity
                    WHERE application_name = '\(name)' AND wait_event = 'PgSleep'
                    """
                while try await fixture.value(committing) == "0" {
                    try await Task.sleep(for: .milliseconds(20))
                }
                proxy.cut()
                proxy.heal()
                try await done
            }
            try await group.next()
            group.cancelAll()
        }
    }

    @Test func aClientIsDeleted() async throws {
        try await StoreFixture.with { fixture in
            _ = try await fixture.client()
            try await Self.cutting("clients", fixture) { store in
                _ = try await store.deleteClient("app", because: StoreFixture.cause)
            }
            #expect(try await fixture.store.client("app").client == nil)
            #expect(try await fixture.log() == ["client true a test tests"])
        }
    }

    @Test func aUserIsDeleted() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            try await Self.cutting("users", fixture) { store in
                _ = try await store.deleteUser(UserReference("ada"), because: StoreFixture.cause)
            }
            #expect(try await fixture.value("SELECT count(*) FROM users") == "0")
            #expect(try await fixture.log() == ["user true a test tests"])
        }
    }

    @Test(arguments: [false, true])
    func aClientIsChanged(getsSecret: Bool) async throws {
        try await StoreFixture.with { fixture in
            let store = fixture.store
            try await store.createClient(
                "app", id: StoreFixture.identifier(),
                ClientRegistration(name: "before", method: .none, grantTypes: []), secretHash: nil)
            let record = try await store.clientRecord("app")
            var changed = record.client.registration
            changed.name = "after"
            if getsSecret { changed.method = .post }
            let hash = getsSecret ? ClientSecret.hash(Redacted("new")) : nil
            let change = ClientChange(to: changed, of: record, secretHash: hash)
            try await Self.cutting("clients", fixture) { store in
                _ = try await store.updateClient(change, because: StoreFixture.cause)
            }
            #expect(try await store.clientRecord("app").client.registration == changed)
            #expect(try await store.client("app").client?.secretHashes == (hash.map { [$0] } ?? []))
        }
    }

    /// Two operators who make the same change at once: only one of the secrets is the client's, and
    /// only who brought that one is told that it is done.
    @Test func anothersSecretIsNotOnes() async throws {
        try await StoreFixture.with { fixture in
            let store = fixture.store
            try await store.createClient(
                "app", id: StoreFixture.identifier(),
                ClientRegistration(name: "x", method: .none, grantTypes: []), secretHash: nil)
            let record = try await store.clientRecord("app")
            var changed = record.client.registration
            changed.method = .basic
            let hashes = ["one", "two"].map { ClientSecret.hash(Redacted($0)) }
            _ = try await store.updateClient(
                ClientChange(to: changed, of: record, secretHash: hashes[0]),
                because: StoreFixture.cause)
            let late = ClientChange(to: changed, of: record, secretHash: hashes[1])
            let error = await #expect(throws: StoreError.self) {
                _ = try await store.updateClient(late, because: StoreFixture.cause)
            }
            #expect(error?.kind == "conflict")
            #expect(try await store.client("app").client?.secretHashes == [hashes[0]])
        }
    }

    /// What finds nothing to delete writes all the same: where it is a repeat, its answer must rest
    /// on a commit that the standby has, too.
    @Test(arguments: [
        ("client_records_delete", "'nobody', 'a test', 'tests'"),
        ("user_records_delete", "NULL, 'nobody', 'a test', 'tests'"),
    ])
    func aRepeatIsWritten(name: String, arguments: String) async throws {
        try await StoreFixture.with { fixture in
            let statement = try #require(Statements.all.first { $0.name == name })
            try await fixture.sql("PREPARE again AS \(statement.sql)")
            try await fixture.sql("BEGIN; EXECUTE again (\(arguments))")
            #expect(
                try await fixture.value("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
                    == "true")
            try await fixture.sql("COMMIT")
        }
    }
}
