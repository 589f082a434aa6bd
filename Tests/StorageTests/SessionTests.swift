import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// Logins: begun, renewed, used and ended.
@Suite struct SessionTests {
    @Test func beginsAndIsFound() async throws {
        try await StoreFixture.with { fixture in
            let user = try await fixture.user()
            let cookie = try await fixture.login()
            let login = try await fixture.sessionUser(cookie)
            #expect(login.user.id == user)
            #expect(login.user.username == "ada")
            #expect(login.session.idleExpiresAt < login.session.expiresAt)
            let read = try await fixture.store.session(cookie.session)
            #expect(read.name == "Ada")
            #expect(read.secrets?.present == cookie.secretHash)
            #expect(read.consent == nil)
            #expect(
                try await fixture.value("SELECT user_agent || ' ' || address FROM sessions")
                    == "tests 127.0.0.1")
            // The database has no secret that a cookie could be made from.
            #expect(
                try await fixture.value("SELECT octet_length(secret_hash) FROM sessions") == "32")
            // Another cookie of the same session is nobody's, and so is a session that is not there.
            for other in [StoreFixture.cookie(cookie.session), StoreFixture.cookie()] {
                #expect(try await fixture.verdict(on: other) == .unknown)
            }
            #expect(try await fixture.log().isEmpty)
        }
    }

    /// A begin that is sent again after a lost reply changes nothing, and takes nobody's session.
    @Test func beginningTwice() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            try await fixture.user("bob")
            let cookie = try await fixture.login()
            let other = StoreFixture.cookie(cookie.session)
            for (cookie, name) in [(cookie, "ada"), (other, "bob")] {
                _ = try await fixture.store.beginSession(
                    cookie, of: fixture.verified(name), from: StoreFixture.origin,
                    lasting: StoreFixture.lifetime)
            }
            #expect(try await fixture.sessionUser(cookie).user.username == "ada")
            #expect(try await fixture.verdict(on: other) == .unknown)
        }
    }

    @Test func renewingGivesAnotherSecret() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let old = try await fixture.login()
            try await fixture.sql(
                "UPDATE sessions SET authenticated_at = now() - interval '1 hour'")
            let before = try await fixture.sessionUser(old).session
            let new = StoreFixture.cookie(old.session)
            #expect(try await fixture.renew(new))
            #expect(try await fixture.verdict(on: old) == .unknown)
            let after = try await fixture.sessionUser(new).session
            #expect(after.id == before.id)
            #expect(after.authenticatedAt > before.authenticatedAt)
            #expect(try await fixture.value("SELECT count(*) FROM sessions") == "1")
            // It ended nothing.
            #expect(try await fixture.log().isEmpty)
        }
    }

    enum Hindrance: CaseIterable, Sendable {
        case revoked, absoluteExpiry, idleExpiry, missing, anotherUser, oldEpoch, newEpoch
    }

    /// A session that is over, somebody else's or of another epoch is not renewed, and stays as it
    /// is.
    @Test(arguments: Hindrance.allCases)
    func isNotRenewed(hindrance: Hindrance) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            try await fixture.user("bob")
            let before = try await fixture.verified()
            let old = try await fixture.login()
            var user = before
            switch hindrance {
            case .revoked:
                _ = try await fixture.store.revokeSession(
                    old.session, because: StoreFixture.cause)
            case .absoluteExpiry: try await fixture.sql("UPDATE sessions SET expires_at = now()")
            case .idleExpiry: try await fixture.sql("UPDATE sessions SET idle_expires_at = now()")
            case .missing: try await fixture.sql("DELETE FROM sessions")
            case .anotherUser: user = try await fixture.verified("bob")
            case .oldEpoch:
                // The session was begun under an epoch that the user has left behind.
                try await fixture.end("ada")
                user = try await fixture.verified()
            case .newEpoch:
                // The login read the hash before an end that the session was begun after.
                try await fixture.end("ada")
                try await fixture.unguarded("sessions", sql: "DELETE FROM sessions")
                _ = try await fixture.store.beginSession(
                    old, of: fixture.verified(), from: StoreFixture.origin,
                    lasting: StoreFixture.lifetime)
            }
            let new = StoreFixture.cookie(old.session)
            #expect(
                try await !fixture.store.renewSession(
                    new, replacing: old, of: user, from: StoreFixture.origin,
                    lasting: StoreFixture.lifetime))
            #expect(try await !fixture.isAlive(new))
            let isUntouched = [Hindrance.anotherUser, .newEpoch].contains(hindrance)
            #expect(try await fixture.isAlive(old) == isUntouched)
        }
    }

    @Test func aUseIsWrittenDown() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let cookie = try await fixture.login()
            try await fixture.sql(
                "UPDATE sessions SET last_seen_at = now() - interval '1 hour', "
                    + "idle_expires_at = now() + interval '1 second'")
            try await fixture.store.useSession(
                cookie.session, from: Origin(userAgent: nil, address: "::1"), idleSeconds: 500)
            let used = """
                SELECT user_agent || ' ' || address || ' '
                       || (last_seen_at > now() - interval '1 minute') || ' '
                       || (idle_expires_at > now() + interval '400 seconds') FROM sessions
                """
            #expect(try await fixture.value(used) == "tests ::1 true true")
            try await fixture.store.useSession(cookie.session, from: nil, idleSeconds: 500)
            #expect(try await fixture.value(used) == "tests ::1 true true")
            // A use that finds nothing is none.
            try await fixture.store.useSession(
                StoreFixture.identifier(), from: nil, idleSeconds: 500)
            // Only that the idle time was made shorter, above, is in the log.
            #expect(try await fixture.log().count == 1)
        }
    }

    /// A use touches no index: it is written with many refreshes.
    @Test func aUseIsAHotUpdate() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let cookie = try await fixture.login()
            let use = try #require(Statements.all.first { $0.name == "sessions_use" })
            try await fixture.sql("PREPARE use_session AS \(use.sql)")
            try await fixture.sql("BEGIN")
            for _ in 0..<2 {
                try await fixture.sql(
                    "EXECUTE use_session ('\(cookie.session)', 500, NULL, '::1', NULL)")
            }
            #expect(
                try await fixture.value(
                    "SELECT n_tup_upd || ' ' || n_tup_hot_upd FROM pg_stat_xact_user_tables "
                        + "WHERE relid = 'sessions'::regclass") == "2 2")
            try await fixture.sql("COMMIT")
        }
    }

    /// A use revives nothing.
    @Test(arguments: ["expires_at", "idle_expires_at", "revoked_at"])
    func whatIsOverIsNotUsed(column: String) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let cookie = try await fixture.login()
            try await fixture.sql("UPDATE sessions SET \(column) = now()")
            let row = "SELECT s::text FROM sessions AS s"
            let before = try await fixture.value(row)
            try await fixture.store.useSession(
                cookie.session, from: StoreFixture.origin, idleSeconds: 500)
            #expect(try await fixture.value(row) == before)
            #expect(try await fixture.verdict(on: cookie) == .ended)
        }
    }

    /// Ending is done again by a write of its own, and says by whom and why each time.
    @Test func revokes() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let cookie = try await fixture.login()
            let other = try await fixture.login()
            for index in 1...3 {
                _ = try await fixture.store.revokeSession(
                    cookie.session, because: Cause(reason: "reason \(index)", actor: "me"))
            }
            #expect(try await fixture.verdict(on: cookie) == .ended)
            #expect(try await fixture.isAlive(other))
            #expect(
                try await fixture.log()
                    == (1...3).map { "session true reason \($0) me" })
            #expect(
                try await fixture.value(
                    "SELECT revocations || ' ' || revoked_reason || ' ' || revoked_by "
                        + "FROM sessions WHERE revoked_at IS NOT NULL") == "3 reason 3 me")
            let error = await #expect(throws: StoreError.self) {
                _ = try await fixture.store.revokeSession(
                    StoreFixture.identifier(), because: StoreFixture.cause)
            }
            #expect(error?.kind == "missing")
            #expect(
                try await fixture.value("SELECT subject FROM revocations WHERE number = 1")
                    == cookie.session.description)
        }
    }

    // MARK: What an operator does in psql

    @Test func anOperatorRevivesNothing() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let cookie = try await fixture.login()
            _ = try await fixture.store.revokeSession(
                cookie.session, because: StoreFixture.cause)
            for refused in [
                "UPDATE sessions SET revoked_at = NULL",
                "UPDATE sessions SET user_epoch = user_epoch - 1",
                "UPDATE sessions SET user_id = gen_random_uuid()",
                "UPDATE sessions SET id = gen_random_uuid()",
                "UPDATE users SET epoch = epoch - 1", "UPDATE users SET id = gen_random_uuid()",
            ] {
                let error = await #expect(throws: PostgresError.self, "\(refused)") {
                    try await fixture.sql(refused)
                }
                guard case .refused("23000", _, _)? = error else {
                    Issue.record("\(refused): \(String(describing: error))")
                    continue
                }
            }
            #expect(try await fixture.verdict(on: cookie) == .ended)
            #expect(try await fixture.log() == ["session true a test tests"])
        }
    }

    /// An end by hand is logged as one, with who did it.
    @Test func anOperatorsEnds() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let first = try await fixture.login()
            let second = try await fixture.login()
            let third = try await fixture.login()
            try await fixture.sql(
                "UPDATE sessions SET revoked_at = now() WHERE id = '\(first.session)'")
            #expect(try await fixture.verdict(on: first) == .ended)
            // Removing what has ended ends nothing; removing what is alive does.
            try await fixture.sql("DELETE FROM sessions WHERE id = '\(first.session)'")
            #expect(try await fixture.log().count == 1)
            try await fixture.sql("DELETE FROM sessions WHERE id = '\(second.session)'")
            #expect(try await fixture.verdict(on: second) == .unknown)
            let expired = "UPDATE sessions SET expires_at = now() - interval "
            try await fixture.sql(
                expired + "'25 hours'; DELETE FROM sessions WHERE id = '\(third.session)'")
            let log = try await fixture.column(
                "SELECT kind || ' ' || is_end || ' ' || reason || ' ' || (actor LIKE 'sql:%') "
                    + "|| ' ' || subject FROM revocations ORDER BY number")
            #expect(
                log == [
                    "session true changed in SQL true \(first.session)",
                    "session true session deleted true \(second.session)",
                    "session true changed in SQL true \(third.session)",
                ])
            // What changes nothing about its life is not logged.
            let fourth = try await fixture.login()
            try await fixture.sql("UPDATE sessions SET user_agent = 'x', last_seen_at = now()")
            #expect(try await fixture.log().count == 3)
            try await fixture.sql("TRUNCATE sessions")
            #expect(try await !fixture.isAlive(fourth))
            #expect(try await fixture.log().last?.hasPrefix("everything true sessions") == true)
        }
    }

    // MARK: Lists

    @Test func lists() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let ada = try await fixture.user()
            let bob = try await fixture.user("bob")
            let first = try await fixture.login()
            let second = try await fixture.login()
            let bobs = try await fixture.login("bob")
            let client = try await fixture.app()
            let bound = try await fixture.grant(client, first)
            let offline = try await fixture.grant(client, first, isOffline: true)
            let store = fixture.store
            func ids(of user: Identifier?) async throws -> [Identifier] {
                try await store.sessionRecords(of: user).map(\.id)
            }
            #expect(try await ids(of: nil) == [bobs, second, first].map(\.session))
            #expect(try await ids(of: ada) == [second, first].map(\.session))
            #expect(try await ids(of: bob) == [bobs.session])
            #expect(try await store.sessionRecord(first.session).clients == ["app"])
            #expect(try await store.sessionRecord(second.session).clients.isEmpty)
            #expect(
                try await Set(store.grantRecords(inSession: first.session).map(\.id))
                    == [bound, offline])
            #expect(try await store.offlineGrantRecords(of: ada).map(\.id) == [offline])

            _ = try await store.revokeSession(first.session, because: StoreFixture.cause)
            #expect(try await ids(of: ada) == [second.session])
            #expect(try await store.sessionRecord(first.session).death == .sessionEnded)
            #expect(
                try await store.grantRecords(inSession: first.session)
                    .filter { $0.death == nil }.map(\.id) == [offline])
            #expect(try await store.offlineGrantRecords(of: ada).map(\.id) == [offline])
            try await fixture.end("ada")
            #expect(try await ids(of: nil) == [bobs.session])
            #expect(try await store.offlineGrantRecords(of: ada).isEmpty)
        }
    }
}

extension StoreFixture {
    /// The same person's next login in the same browser.
    func renew(_ cookie: SessionCookie, name: String = "ada") async throws -> Bool {
        try await store.renewSession(
            cookie, replacing: cookie, of: verified(name), from: Self.origin,
            lasting: Self.lifetime)
    }

    /// Ends every login of a user.
    func end(_ user: String) async throws {
        _ = try await store.endUser(UserReference(user), because: Self.cause)
    }
}

/// What stands between a login and those who put rows or secrets back.
@Suite struct SessionGuardTests {
    /// The cookie before the newest one holds until that one was used: its answer may be lost.
    @Test func theCookieBeforeHoldsUntilTheNewOneIsUsed() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let first = try await fixture.login()
            let second = StoreFixture.cookie(first.session)
            let user = try await fixture.verified("ada")
            for _ in 0..<2 {
                #expect(
                    try await fixture.store.renewSession(
                        second, replacing: first, of: user, from: StoreFixture.origin,
                        lasting: StoreFixture.lifetime))
            }
            #expect(try await fixture.isAlive(first))
            #expect(try await fixture.isAlive(second))
            #expect(try await !fixture.sessionUser(first).isNewest)
            #expect(try await fixture.sessionUser(second).isNewest)
            // A request that came with the first cookie, and read the row before the second one
            // took its place, is late.
            try await fixture.store.useSession(
                first.session, from: nil, idleSeconds: 500, with: first)
            #expect(try await fixture.isAlive(first))
            try await fixture.store.useSession(
                first.session, from: nil, idleSeconds: 500, with: second)
            #expect(try await fixture.verdict(on: first) == .unknown)
            #expect(try await fixture.isAlive(second))
        }
    }

    /// A deletion was an end: the same row put back is no login.
    @Test(arguments: ["sessions", "grants"])
    func rowsAreNotPutBack(table: String) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            _ = try await fixture.login()
            try await fixture.bareGrant(StoreFixture.identifier(), generation: 1)
            try await fixture.sql(
                """
                CREATE TABLE kept AS SELECT * FROM \(table);
                UPDATE kept SET id = ('01930000-0000-' || substr(id::text, 15))::uuid
                """)
            await #expect(throws: PostgresError.self) {
                try await fixture.sql("INSERT INTO \(table) SELECT * FROM kept")
            }
        }
    }
}
