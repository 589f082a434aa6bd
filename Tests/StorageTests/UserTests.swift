import OAuth
import Postgres
import Storage
import TestSupport
import Testing

@Suite struct UserTests {
    @Test func namesThatDifferInCaseOrFormAreOne() async throws {
        try await StoreFixture.with { fixture in
            // "Émile", composed; the lower-case e with an accent of its own is the same name.
            let id = try await fixture.user("\u{C9}mile")
            for name in ["\u{C9}mile", "\u{E9}mile", "E\u{301}mile", "e\u{301}MILE", " émile "] {
                let found = try await fixture.store.user(try #require(Username(name))).user
                #expect(found?.id == id, "\(name)")
                // The name is shown as it was given.
                #expect(found.map { Array($0.username.utf8) } == Array("\u{C9}mile".utf8))
                #expect(try await fixture.store.userRecord(UserReference(name)).id == id)
                let error = await #expect(throws: StoreError.self) {
                    try await fixture.user(name)
                }
                #expect(error?.kind == "conflict")
            }
            for name in ["emile", "Èmile", "Émil", "ÉmileX"] {
                #expect(try await fixture.store.user(try #require(Username(name))).user == nil)
            }
            #expect(try await fixture.store.userRecord(UserReference("\(id)")).id == id)
            #expect(try await fixture.store.userRecords().map(\.id) == [id])
        }
    }

    /// Made again after a lost reply, with the same id, a user is no conflict.
    @Test func creatingTwice() async throws {
        try await StoreFixture.with { fixture in
            let user = NewUser(
                id: StoreFixture.identifier(), username: try #require(Username("Ada")), name: nil,
                email: "ada@example.com", isEmailVerified: true,
                passwordHash: try StoreFixture.hash())
            try await fixture.store.createUser(user)
            try await fixture.store.createUser(user)
            let record = try await fixture.store.userRecord(UserReference("ADA"))
            #expect(record.username == "Ada")
            #expect(record.name == nil)
            #expect(record.email == "ada@example.com")
            #expect(record.isEmailVerified)
            #expect(record.disabledAt == nil)
            let found = await #expect(throws: StoreError.self) {
                _ = try await fixture.store.userRecord(UserReference("nobody"))
            }
            #expect(found?.kind == "missing")
        }
    }

    enum Way: CaseIterable, Sendable { case end, disable, password, delete, restored }

    /// Every end of a user adds to the epoch, writes one row of the log, and leaves nothing alive
    /// that hung on it: cookie, code, access token, refresh token, offline access.
    @Test(arguments: Way.allCases)
    func everyEndEndsAll(way: Way) async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, grant) = try await fixture.household()
            let offline = try await fixture.grant(client, cookie, isOffline: true)
            let login = try await fixture.sessionUser(cookie)
            let code = try await fixture.code(client, login)
            try await fixture.user("bob")
            let bobs = try await fixture.login("bob")
            let store = fixture.store
            let ada = UserReference("ADA")
            let epoch = "SELECT epoch FROM users WHERE username = 'ada'"
            let before = try #require(Int64(try await fixture.value(epoch)))
            switch way {
            case .end: _ = try await store.endUser(ada, because: StoreFixture.cause)
            case .disable:
                _ = try await store.endUser(ada, disabling: true, because: StoreFixture.cause)
            case .password:
                _ = try await store.endUser(
                    ada, password: StoreFixture.hash(Redacted("another one")),
                    because: StoreFixture.cause)
            case .delete: _ = try await store.deleteUser(ada, because: StoreFixture.cause)
            case .restored: _ = try await store.endEverything(because: StoreFixture.cause)
            }
            let cause: Liveness.CauseOfDeath =
                switch way {
                case .disable: .userDisabled
                case .delete: .userMissing
                default: .userEnded
                }
            let refresh = Token.refresh(RefreshToken(grant: grant, generation: 1, keyID: 1))
            let offlineRefresh = Token.refresh(
                RefreshToken(grant: offline, generation: 1, keyID: 1))
            @Sendable func expectDead(_ cause: Liveness.CauseOfDeath) async throws {
                // A restore ends the clients, too, and that is looked at first.
                let cause = way == .restored ? .clientEnded : cause
                for id in [grant, offline] {
                    #expect(try await fixture.death(of: id) == cause)
                }
                for token in [refresh, offlineRefresh] {
                    #expect(try await fixture.death(of: token) == cause)
                }
                #expect(try await fixture.death(of: code) == cause)
                #expect(try await fixture.verdict(on: cookie) == .ended)
            }
            try await expectDead(cause)
            #expect(try await fixture.isAlive(bobs) == (way != .restored))
            let logged = try await fixture.log()
            if way == .restored {
                #expect(Set(logged) == ["user true a test tests", "client true a test tests"])
                #expect(logged.count == 3)
            } else {
                #expect(logged == ["user true a test tests"])
            }
            if way != .delete {
                let after = try #require(Int64(try await fixture.value(epoch)))
                #expect(way == .restored ? after > before + 1 << 20 : after == before + 1)
                let record = try await store.userRecord(ada)
                #expect(record.endedReason == "a test")
                #expect(record.endedBy == "tests")
                #expect((record.disabledAt != nil) == (way == .disable))
            }
            // What was alive before stays dead when the user is let in again.
            switch way {
            case .disable:
                // The right password of somebody who is disabled is a wrong one.
                await #expect(throws: StoreFixture.Missing.self) {
                    _ = try await fixture.verified()
                }
                _ = try await store.enableUser(ada, because: StoreFixture.cause)
                #expect(try await fixture.log().last == "user false a test tests")
                try await expectDead(.userEnded)
            case .delete:
                try await fixture.user()
                try await expectDead(.userMissing)
            case .password:
                await #expect(throws: StoreFixture.Missing.self) {
                    _ = try await fixture.verified()
                }
                let again = try await fixture.verified(password: Redacted("another one"))
                #expect(again.epoch == before + 1)
            default: break
            }
        }
    }

    /// Whoever read the password's hash before it was replaced gets a login that is dead from the
    /// first.
    @Test(arguments: [Way.end, .disable, .password, .delete, .restored])
    func aLoginThatReadTheHashBefore(way: Way) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let user = try await fixture.verified()
            let ada = UserReference("ada")
            let store = fixture.store
            switch way {
            case .end: _ = try await store.endUser(ada, because: StoreFixture.cause)
            case .disable:
                _ = try await store.endUser(ada, disabling: true, because: StoreFixture.cause)
                _ = try await store.enableUser(ada, because: StoreFixture.cause)
            case .password:
                _ = try await store.endUser(
                    ada, password: StoreFixture.hash(), because: StoreFixture.cause)
            case .delete:
                _ = try await store.deleteUser(ada, because: StoreFixture.cause)
                try await fixture.user()
            case .restored: _ = try await store.endEverything(because: StoreFixture.cause)
            }
            let cookie = StoreFixture.cookie()
            _ = try await store.beginSession(
                cookie, of: user, from: StoreFixture.origin, lasting: StoreFixture.lifetime)
            #expect(try await fixture.verdict(on: cookie) == .ended)
            #expect(
                try await !store.renewSession(
                    StoreFixture.cookie(cookie.session), replacing: cookie,
                    of: fixture.verified(),
                    from: StoreFixture.origin, lasting: StoreFixture.lifetime))
            let fresh = try await fixture.login()
            #expect(try await fixture.isAlive(fresh))
        }
    }

    /// An operator's psql ends things as truly, and cannot bring them back.
    @Test func anOperatorsSQL() async throws {
        try await StoreFixture.with { fixture in
            let (_, cookie, grant) = try await fixture.household(isOffline: true)
            for change in [
                "password_hash = '$scrypt$x'", "disabled_at = now()", "epoch = epoch + 1",
            ] {
                let epoch = try await fixture.value("SELECT epoch + 1 FROM users")
                try await fixture.sql("UPDATE users SET \(change)")
                #expect(try await fixture.value("SELECT epoch FROM users") == epoch, "\(change)")
                #expect(try await fixture.death(of: grant) != nil)
                #expect(try await !fixture.isAlive(cookie))
            }
            try await fixture.sql("UPDATE users SET disabled_at = NULL")
            #expect(try await fixture.death(of: grant) == .userEnded)
            try await fixture.sql("UPDATE users SET name = 'x'")
            try await fixture.sql("CREATE TABLE saved AS SELECT * FROM users")
            try await fixture.sql("DELETE FROM users")
            #expect(try await fixture.death(of: grant) == .userMissing)
            // A row that is put back as it was revives nothing.
            try await fixture.sql("INSERT INTO users SELECT * FROM saved")
            #expect(try await fixture.death(of: grant) == .userEnded)
            try await fixture.sql("TRUNCATE users")
            #expect(
                try await fixture.column(
                    "SELECT kind || ' ' || is_end || ' ' || (actor LIKE 'sql:%') "
                        + "FROM revocations ORDER BY number")
                    == [
                        "user true true", "user true true", "user true true", "user false true",
                        "user false true", "user true true", "everything true true",
                    ])
        }
    }

    @Test func missingUsers() async throws {
        try await StoreFixture.with { fixture in
            let store = fixture.store
            let nobody = UserReference("nobody")
            let attempts: [@Sendable () async throws -> UnixTime] = [
                { try await store.endUser(nobody, because: StoreFixture.cause) },
                { try await store.enableUser(nobody, because: StoreFixture.cause) },
                { try await store.deleteUser(nobody, because: StoreFixture.cause) },
                {
                    try await store.endUser(
                        UserReference("\(StoreFixture.identifier())"), because: StoreFixture.cause)
                },
                // What can be no name means nobody, and not everybody.
                { try await store.endUser(UserReference(""), because: StoreFixture.cause) },
                { try await store.deleteUser(UserReference("\n"), because: StoreFixture.cause) },
            ]
            try await fixture.user()
            for attempt in attempts {
                let error = await #expect(throws: StoreError.self) { _ = try await attempt() }
                #expect(error?.kind == "missing")
            }
            #expect(try await fixture.log().isEmpty)
        }
    }
}
