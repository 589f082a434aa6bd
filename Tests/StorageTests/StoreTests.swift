import OAuth
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct StoreTests {
    @Test func clientsAreReadTogetherAndInOrder() async throws {
        try await StoreFixture.with { fixture in
            for index in 0..<5 { _ = try await fixture.client("c\(index)") }
            try await withThrowingTaskGroup(of: (Int, String?).self) { group in
                for index in 0..<300 {
                    group.addTask {
                        let read = try await fixture.store.client("c\(index % 7)")
                        #expect(read.readAt.seconds > 1_700_000_000)
                        return (index, read.client?.clientID)
                    }
                }
                for try await (index, clientID) in group {
                    #expect(clientID == (index % 7 < 5 ? "c\(index % 7)" : nil))
                }
            }
            #expect(try await fixture.store.client("no such client\u{301}").client == nil)
        }
    }

    /// Tokens of every kind that are asked about together each get the rows that they hang on.
    @Test func livenessIsReadTogetherAndInOrder() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, grant) = try await fixture.household()
            let service = try await fixture.client("service")
            let ended = try await fixture.grant(client, cookie)
            _ = try await fixture.store.revokeGrant(ended, because: StoreFixture.cause)
            let revoked = StoreFixture.accessToken(of: grant)
            _ = try await fixture.store.revoke(
                revoked, of: client.id, because: StoreFixture.cause)
            let asked: [(Token, Liveness.CauseOfDeath?)] = [
                (.access(try await fixture.token(of: service)), nil),
                (.access(StoreFixture.accessToken(of: grant)), nil),
                (.refresh(RefreshToken(grant: grant, generation: 1, keyID: 1)), nil),
                (.refresh(RefreshToken(grant: grant, generation: 0, keyID: 1)), .rotated),
                (.refresh(RefreshToken(grant: grant, generation: 2, keyID: 1)), .stateLost),
                (.refresh(RefreshToken(grant: grant, generation: 1, keyID: 9)), .secretRetired),
                (.access(revoked), .tokenRevoked),
                (.access(StoreFixture.accessToken(of: ended)), .grantEnded),
                (.refresh(RefreshToken(grant: ended, generation: 1, keyID: 1)), .grantEnded),
                (.access(StoreFixture.accessToken(of: StoreFixture.identifier())), .grantMissing),
            ]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<300 {
                    let (token, expected) = asked[index % asked.count]
                    group.addTask {
                        let death = try await fixture.death(of: token)
                        #expect(death == expected, "\(index % 10)")
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func aTakenIdIsAConflict() async throws {
        try await StoreFixture.with { fixture in
            _ = try await fixture.client()
            let error = await #expect(throws: StoreError.self) { _ = try await fixture.client() }
            #expect(error?.kind == "conflict")
        }
    }

    @Test func anUpdateLosesToOneThatCameBefore() async throws {
        try await StoreFixture.with { fixture in
            _ = try await fixture.client()
            let record = try await fixture.store.clientRecord("app")
            var changed = record.client.registration
            changed.name = "first"
            _ = try await fixture.store.updateClient(
                ClientChange(to: changed, of: record, secretHash: nil), because: StoreFixture.cause)
            changed.name = "second"
            let late = ClientChange(to: changed, of: record, secretHash: nil)
            let error = await #expect(throws: StoreError.self) {
                _ = try await fixture.store.updateClient(late, because: StoreFixture.cause)
            }
            #expect(error?.kind == "conflict")
            #expect(try await fixture.store.clientRecord("app").client.registration.name == "first")
            #expect(
                try await fixture.column("SELECT reason || ' ' || actor FROM revocations")
                    == ["a test tests"])
        }
    }

    @Test func twoSecretsAreValidWhileOneIsRotated() async throws {
        try await StoreFixture.with { fixture in
            let store = fixture.store
            func hashes() async throws -> [[UInt8]] {
                try #require(await store.client("app").client).secretHashes
            }
            let first = try await fixture.client().secretHashes
            let second = ClientSecret.hash(Redacted("second"))
            let third = ClientSecret.hash(Redacted("third"))
            _ = try await store.rotateClientSecret(
                "app", to: second, keepsPrevious: true, because: StoreFixture.cause)
            #expect(try await hashes() == [second] + first)
            _ = try await store.dropPreviousClientSecret("app", because: StoreFixture.cause)
            #expect(try await hashes() == [second])
            _ = try await store.rotateClientSecret(
                "app", to: third, keepsPrevious: false, because: StoreFixture.cause)
            #expect(try await hashes() == [third])
            let error = await #expect(throws: StoreError.self) {
                _ = try await store.dropPreviousClientSecret("nobody", because: StoreFixture.cause)
            }
            #expect(error?.kind == "missing")
        }
    }

    @Test func keyIDsAreGivenOutOnce() async throws {
        try await StoreFixture.with { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<8 {
                    for _ in 0..<3 {
                        group.addTask {
                            try await fixture.store.admit(
                                ServerSecret("0123456789abcdef0123456789abcdef-\(index)"))
                        }
                    }
                }
                try await group.waitForAll()
            }
            let known = try await fixture.store.secrets().map(\.known)
            #expect(known.map(\.keyID) == Array(1...8))

            _ = try await fixture.store.retireSecret(8, because: StoreFixture.cause)
            try await fixture.store.admit(ServerSecret("0123456789abcdef0123456789abcdef-new"))
            #expect(try await fixture.store.secrets().map(\.known.keyID) == Array(1...9))
        }
    }

    @Test func theLastSecretIsNotRetired() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            try await fixture.store.admit(ServerSecret("0123456789abcdef0123456789abcdef-b"))
            let client = try await fixture.client()
            let token = try await fixture.token(of: client)
            _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
            #expect(try await fixture.liveness(of: token) == .dead(.secretRetired))
            _ = try await fixture.store.retireSecret(1, because: StoreFixture.cause)
            #expect(
                try await fixture.column("SELECT kind || key_id FROM revocations ORDER BY number")
                    == ["secret1", "secret1"])
            let last = await #expect(throws: StoreError.self) {
                _ = try await fixture.store.retireSecret(2, because: StoreFixture.cause)
            }
            #expect(last?.kind == "conflict")
            let unknown = await #expect(throws: StoreError.self) {
                _ = try await fixture.store.retireSecret(3, because: StoreFixture.cause)
            }
            #expect(unknown?.kind == "missing")
        }
    }

    @Test func failuresAreCountedInWindows() async throws {
        try await StoreFixture.with { fixture in
            let throttle = Throttle.clientSecret(clientID: "a", network: "127.0.0.1")
            for _ in 0..<Limits.clientSecretFailures {
                #expect(try await fixture.store.countFailure([throttle]) == nil)
            }
            for _ in 0..<3 {
                let refusal = try await fixture.store.countFailure([throttle])
                #expect(refusal?.code == .tooManyRequests)
                #expect((1...300).contains(refusal?.retryAfterSeconds ?? 0))
            }
            let other = Throttle.clientSecret(clientID: "a", network: "127.0.0.2")
            #expect(try await fixture.store.countFailure([other]) == nil)
            try await fixture.sql("UPDATE throttles SET window_ends_at = now() - interval '1 s'")
            #expect(try await fixture.store.countFailure([throttle]) == nil)
        }
    }

    @Test func whatIsOverGoes() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.sql(
                """
                ALTER TABLE revoked_tokens DISABLE TRIGGER begin;
                INSERT INTO revoked_tokens (id, client, expires_at, revoked_at, reason, actor)
                SELECT gen_random_uuid(), gen_random_uuid(), now() - age, now() - other, 'x', 'x'
                FROM (VALUES (interval '23 hours', interval '25 hours'),
                             (interval '25 hours', interval '23 hours'),
                             (interval '25 hours', interval '25 hours')) AS a (age, other),
                     generate_series(1, 1500)
                """)
            try await fixture.sql("ALTER TABLE revoked_tokens ENABLE ALWAYS TRIGGER begin")
            try await fixture.sql(
                """
                ALTER TABLE revocations DISABLE TRIGGER guard_row;
                UPDATE revocations SET at = now() - interval '25 hours' WHERE number <= 10;
                ALTER TABLE revocations ENABLE TRIGGER guard_row;
                INSERT INTO throttles VALUES ('a', 1, now() - interval '1 s'),
                                             ('b', 1, now() + interval '1 min');
                """)
            let removed = try await fixture.tidy()
            #expect(removed.map(\.rows) == [1500, 10, 0, 0, 0, 0, 1])
            #expect(try await fixture.value("SELECT count(*) FROM revoked_tokens") == "3000")
            #expect(try await fixture.value("SELECT min(number) FROM revocations") == "11")
            #expect(try await fixture.tidy().allSatisfy { $0.rows == 0 })
        }
    }

    @Test func itSaysWhoAnswers() async throws {
        try await StoreFixture.with { fixture in
            let examination = try await fixture.store.examine()
            #expect(examination.primary.timeline >= 1)
            #expect(!examination.primary.isRecovering)
            #expect(
                String(examination.primary.systemIdentifier)
                    == (try await fixture.value("SELECT system_identifier FROM pg_control_system()"))
            )
            _ = try await fixture.store.ping()
        }
    }
}

@Suite struct PrimaryGuardTests {
    private func primary(
        _ system: Int64 = 1, timeline: Int32 = 1, isRecovering: Bool = false
    ) -> Primary {
        Primary(
            isRecovering: isRecovering, systemIdentifier: system, timeline: timeline,
            now: PostgresTime(microseconds: 0))
    }

    @Test func refusesWhatIsNotTheNewestPrimary() throws {
        let guardian = PrimaryGuard()
        #expect(throws: StoreError.self) { try guardian.check(primary(isRecovering: true)) }
        try guardian.check(primary(timeline: 2))
        #expect(throws: StoreError.self) { try guardian.check(primary(timeline: 1)) }
        try guardian.check(primary(timeline: 2))
        try guardian.check(primary(timeline: 3))
        #expect(throws: StoreError.self) { try guardian.check(primary(timeline: 2)) }
        #expect(throws: StoreError.self) { try guardian.check(primary(2, timeline: 9)) }
        try guardian.check(primary(timeline: 3))
    }

    /// What answers under such settings may lose it again.
    @Test func refusesWhatMayLoseCommits() throws {
        let guardian = PrimaryGuard()
        let weak = Primary(
            isRecovering: false, systemIdentifier: 1, timeline: 1,
            now: PostgresTime(microseconds: 0), weakness: "fsync is off")
        let error = #expect(throws: StoreError.self) { try guardian.check(weak) }
        #expect(error?.description.contains("fsync is off") == true)
        try guardian.check(primary())
    }

    @Test(
        arguments: [
            (0, 0), (999_999, 0), (1_000_000, 1), (-1, -1), (-1_000_000, -1), (-1_000_001, -2),
            (.max, 9_223_372_036_854), (.max - 1, 9_223_372_036_854),
            (.min, -9_223_372_036_855), (.min + 1, -9_223_372_036_855),
        ] as [(Int64, Int64)])
    func secondsAreFloors(microseconds: Int64, seconds: Int64) {
        #expect(UnixTime(PostgresTime(microseconds: microseconds)).seconds == seconds)
    }
}
