import Cluster
import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// What a person ends of the own logins: all but one, with another password or without.
@Suite struct AccountTests {
    static let newPassword = Redacted("another one")

    /// What hangs on two logins of one person.
    private struct TwoDevices: Sendable {
        let here: SessionCookie
        let there: SessionCookie
        /// Bound to its login, and not.
        let bound: Identifier
        let offline: Identifier
        let boundThere: Identifier
        let offlineThere: Identifier
        /// Codes of this login: one for access that ends with it, one for access that outlives it.
        let code: AuthorizationCode
        let offlineCode: AuthorizationCode
        let codeThere: AuthorizationCode
    }

    private func twoDevices(_ fixture: StoreFixture) async throws -> TwoDevices {
        let (client, here, bound) = try await fixture.household()
        let there = try await fixture.login()
        let offlineScope = "a b offline_access"
        return TwoDevices(
            here: here, there: there, bound: bound,
            offline: try await fixture.grant(client, here, isOffline: true),
            boundThere: try await fixture.grant(client, there),
            offlineThere: try await fixture.grant(client, there, isOffline: true),
            code: try await fixture.code(client, fixture.sessionUser(here)),
            offlineCode: try await fixture.code(
                client, fixture.sessionUser(here), scope: offlineScope),
            codeThere: try await fixture.code(client, fixture.sessionUser(there)))
    }

    @Test(arguments: [false, true])
    func oneLoginIsKept(changesPassword: Bool) async throws {
        try await StoreFixture.with { fixture in
            let devices = try await twoDevices(fixture)
            try await fixture.user("bob")
            let bobs = try await fixture.login("bob")
            let login = try await fixture.sessionUser(devices.here)
            let before = try await fixture.verified()
            let endedAt = try await fixture.store.endOthers(
                keeping: login,
                password: changesPassword ? StoreFixture.hash(Self.newPassword) : nil,
                because: StoreFixture.cause)
            #expect(endedAt >= login.session.authenticatedAt)

            // This login goes on, with all that hangs on it.
            let kept = try await fixture.sessionUser(devices.here)
            #expect(kept.session.userEpoch == login.session.userEpoch + 1)
            #expect(kept.user.epoch == kept.session.userEpoch)
            #expect(kept.session.authenticatedAt == login.session.authenticatedAt)
            #expect(try await fixture.death(of: devices.bound) == nil)
            #expect(
                try await fixture.death(
                    of: .refresh(RefreshToken(grant: devices.bound, generation: 1, keyID: 1)))
                    == nil)
            #expect(try await fixture.death(of: devices.code) == nil)
            #expect(try await fixture.isAlive(bobs))

            // Everything else is over, offline access of this login too.
            #expect(try await fixture.verdict(on: devices.there) == .ended)
            for grant in [devices.offline, devices.boundThere, devices.offlineThere] {
                #expect(try await fixture.death(of: grant) == .userEnded)
            }
            for code in [devices.offlineCode, devices.codeThere] {
                #expect(try await fixture.death(of: code) == .userEnded)
            }
            // A login that read the password before is dead from the first.
            let late = StoreFixture.cookie()
            _ = try await fixture.store.beginSession(
                late, of: before, from: StoreFixture.origin, lasting: StoreFixture.lifetime)
            #expect(try await fixture.verdict(on: late) == .ended)

            #expect(try await fixture.log() == ["user true a test tests"])
            let record = try await fixture.store.userRecord(UserReference("ada"))
            #expect(record.endedReason == "a test")
            #expect(record.endedBy == "tests")
            let password = changesPassword ? Self.newPassword : StoreFixture.password
            let again = try await fixture.verified(password: password)
            #expect(again.epoch == kept.user.epoch)
            if changesPassword {
                await #expect(throws: StoreFixture.Missing.self) {
                    _ = try await fixture.verified()
                }
            }
            // A code of the kept login is redeemed as if nothing had been.
            let issue = StoreFixture.grantIssue()
            #expect(try await fixture.store.redeem(devices.code, for: issue))
            #expect(try await fixture.death(of: issue.id) == nil)
            // And the next end of all but one works from where this one has led.
            _ = try await fixture.store.endOthers(keeping: kept, because: StoreFixture.cause)
            #expect(try await fixture.isAlive(devices.here))
        }
    }

    enum Hindrance: CaseIterable, Sendable {
        case endedUser, disabledUser, enabledAgain, deletedUser, password, revoked, expired, idle
        case missing, overtaken
    }

    /// Where the login is over, or others were ended by another one meanwhile, nothing changes.
    @Test(arguments: Hindrance.allCases, [false, true])
    func nothingChanges(hindrance: Hindrance, changesPassword: Bool) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let here = try await fixture.login()
            let there = try await fixture.login()
            let login = try await fixture.sessionUser(here)
            let store = fixture.store
            let ada = UserReference("ada")
            switch hindrance {
            case .endedUser: try await fixture.end("ada")
            case .disabledUser, .enabledAgain:
                _ = try await store.endUser(ada, disabling: true, because: StoreFixture.cause)
                if hindrance == .enabledAgain {
                    _ = try await store.enableUser(ada, because: StoreFixture.cause)
                }
            case .deletedUser: _ = try await store.deleteUser(ada, because: StoreFixture.cause)
            case .password:
                _ = try await store.endUser(
                    ada, password: StoreFixture.hash(), because: StoreFixture.cause)
            case .revoked:
                _ = try await store.revokeSession(here.session, because: StoreFixture.cause)
            case .expired:
                try await fixture.sql(
                    "UPDATE sessions SET expires_at = now() WHERE id = '\(here.session)'")
            case .idle:
                try await fixture.sql(
                    "UPDATE sessions SET idle_expires_at = now() WHERE id = '\(here.session)'")
            case .missing:
                try await fixture.sql("DELETE FROM sessions WHERE id = '\(here.session)'")
            case .overtaken:
                _ = try await store.endOthers(
                    keeping: fixture.sessionUser(there), because: StoreFixture.cause)
            }
            let rows = """
                SELECT (SELECT string_agg(u::text, ';') FROM users AS u) || ' '
                       || (SELECT string_agg(s::text, ';' ORDER BY id) FROM sessions AS s)
                """
            let before = try await fixture.value(rows)
            let logged = try await fixture.log()
            let hash = changesPassword ? try StoreFixture.hash(Self.newPassword) : nil
            for _ in 0..<2 {
                let error = await #expect(throws: StoreError.self) {
                    _ = try await store.endOthers(
                        keeping: login, password: hash, because: StoreFixture.cause)
                }
                #expect(error?.kind == "missing")
            }
            #expect(try await fixture.value(rows) == before)
            #expect(try await fixture.log() == logged)
            #expect(try await !fixture.isAlive(here))
        }
    }

    // MARK: Again after a lost reply

    /// Done again, it knows its own success, writes, and ends nothing twice.
    @Test(arguments: [false, true])
    func doneAgain(changesPassword: Bool) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let here = try await fixture.login()
            let login = try await fixture.sessionUser(here)
            let hash = changesPassword ? try StoreFixture.hash(Self.newPassword) : nil
            var since: SessionCookie?
            for attempt in 0..<3 {
                let version = try await fixture.value("SELECT xmin FROM sessions LIMIT 1")
                _ = try await fixture.store.endOthers(
                    keeping: login, password: hash, because: StoreFixture.cause)
                if attempt < 2 {
                    // An answer rests on a commit of its own.
                    let isWritten =
                        try await fixture.value(
                            "SELECT count(*) FROM sessions WHERE xmin <> '\(version)'::xid "
                                + "AND id = '\(here.session)'") == "1"
                    #expect(isWritten)
                }
                #expect(
                    try await fixture.sessionUser(here).session.userEpoch
                        == login.session.userEpoch + 1)
                #expect(try await fixture.log() == ["user true a test tests"])
                if attempt == 1 {
                    // Who has logged in since stays so.
                    let cookie = StoreFixture.cookie()
                    _ = try await fixture.store.beginSession(
                        cookie,
                        of: fixture.verified(
                            password: changesPassword ? Self.newPassword : StoreFixture.password),
                        from: StoreFixture.origin, lasting: StoreFixture.lifetime)
                    since = cookie
                }
            }
            let later = try #require(since)
            #expect(try await fixture.isAlive(later))
        }
    }

    /// Two forms of one browser: neither is told of a password that is not the one that holds.
    @Test func twoFormsOfOneBrowser() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let here = try await fixture.login()
            let login = try await fixture.sessionUser(here)
            let store = fixture.store
            _ = try await store.endOthers(
                keeping: login, password: StoreFixture.hash(Self.newPassword),
                because: StoreFixture.cause)
            let error = await #expect(throws: StoreError.self) {
                _ = try await store.endOthers(
                    keeping: login, password: StoreFixture.hash(Redacted("a third one")),
                    because: StoreFixture.cause)
            }
            #expect(error?.kind == "missing")
            #expect(try await fixture.isAlive(here))
            #expect(
                try await fixture.verified(password: Self.newPassword).epoch
                    == login.session.userEpoch + 1)
            // That all others were ended is true of it, too.
            _ = try await store.endOthers(keeping: login, because: StoreFixture.cause)
            #expect(try await fixture.log().count == 1)
        }
    }

    /// One whose commit is still under way is waited for, and known.
    @Test func ownRetryThatMeetsItself() async throws {
        try await StoreFixture.with { fixture in
            let (here, execute) = try await prepared(fixture)
            let login = try await fixture.sessionUser(here)
            async let first: Void = fixture.sql(
                "BEGIN; \(execute); SELECT pg_sleep(0.5); COMMIT")
            try await Task.sleep(for: .milliseconds(200))
            _ = try await fixture.store.endOthers(keeping: login, because: StoreFixture.cause)
            try await first
            #expect(
                try await fixture.sessionUser(here).session.userEpoch
                    == login.session.userEpoch + 1)
            #expect(try await fixture.log() == ["user true a test tests"])
        }
    }

    /// What commits while the statement waits for the rows decides, not what it saw at first.
    @Test(
        arguments: [
            "UPDATE users SET epoch = epoch + 1", "UPDATE users SET disabled_at = now()",
            "UPDATE sessions SET revoked_at = now()", "DELETE FROM sessions", "DELETE FROM users",
        ])
    func whatCommitsMeanwhile(change: String) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let here = try await fixture.login()
            let login = try await fixture.sessionUser(here)
            async let first: Void = fixture.sql(
                "BEGIN; \(change); SELECT pg_sleep(0.5); COMMIT")
            try await Task.sleep(for: .milliseconds(200))
            let error = await #expect(throws: StoreError.self) {
                _ = try await fixture.store.endOthers(
                    keeping: login, because: StoreFixture.cause)
            }
            try await first
            #expect(error?.kind == "missing")
            #expect(try await !fixture.isAlive(here))
        }
    }

    /// A use of the session, or its next login, is no hindrance.
    @Test func usesMeanwhile() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let here = try await fixture.login()
            let login = try await fixture.sessionUser(here)
            async let first: Void = fixture.sql(
                "BEGIN; UPDATE sessions SET last_seen_at = now(), address = 'x'; "
                    + "SELECT pg_sleep(0.5); COMMIT")
            try await Task.sleep(for: .milliseconds(200))
            _ = try await fixture.store.endOthers(keeping: login, because: StoreFixture.cause)
            try await first
            let kept = try await fixture.sessionUser(here)
            #expect(kept.session.userEpoch == login.session.userEpoch + 1)
            #expect(try await fixture.value("SELECT address FROM sessions") == "x")
        }
    }

    // MARK: Races

    /// Two devices press "all others" at once: one has its way, and the other is logged out.
    @Test func twoDevicesAtOnce() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.withOtherStore { other in
                for number in 0..<20 {
                    let name = "user-\(number)"
                    try await fixture.user(name)
                    let cookies = [try await fixture.login(name), try await fixture.login(name)]
                    let logins = [
                        try await fixture.sessionUser(cookies[0]),
                        try await fixture.sessionUser(cookies[1]),
                    ]
                    async let first = succeeds {
                        try await fixture.store.endOthers(
                            keeping: logins[0], because: StoreFixture.cause)
                    }
                    async let second = succeeds {
                        try await other.endOthers(
                            keeping: logins[1], password: StoreFixture.hash(Self.newPassword),
                            because: StoreFixture.cause)
                    }
                    let won = try await [first, second]
                    #expect(won.count(where: { $0 }) == 1)
                    for (cookie, hasWon) in zip(cookies, won) {
                        let isAlive = try await fixture.isAlive(cookie)
                        #expect(isAlive == hasWon)
                    }
                    let password = won[1] ? Self.newPassword : StoreFixture.password
                    let user = try await fixture.verified(name, password: password)
                    #expect(user.epoch == logins[0].user.epoch + 1)
                }
            }
        }
    }

    enum Rival: CaseIterable, Sendable {
        case everywhere, disabled, deleted, password, session, login, restored
    }

    /// Another password, and an end or a login at once. When both have returned, an end has ended
    /// the kept login too, and a login with the old password is dead.
    @Test(arguments: Rival.allCases)
    func rivals(rival: Rival) async throws {
        try await StoreFixture.with { fixture in
            try await fixture.withOtherStore { other in
                for number in 0..<12 {
                    let name = "user-\(number)"
                    try await fixture.user(name)
                    let (here, there) = (
                        try await fixture.login(name), try await fixture.login(name)
                    )
                    let login = try await fixture.sessionUser(here)
                    let verified = try await fixture.verified(name)
                    let late = StoreFixture.cookie()
                    let reference = UserReference(name)
                    let cause = StoreFixture.cause
                    let isFirst = number % 2 == 0
                    async let changed = succeeds {
                        if !isFirst { try await Task.sleep(for: .milliseconds(number)) }
                        return try await fixture.store.endOthers(
                            keeping: login, password: StoreFixture.hash(Self.newPassword),
                            because: cause)
                    }
                    if isFirst { try await Task.sleep(for: .milliseconds(number)) }
                    switch rival {
                    case .everywhere: _ = try await other.endUser(reference, because: cause)
                    case .disabled:
                        _ = try await other.endUser(reference, disabling: true, because: cause)
                        _ = try await other.enableUser(reference, because: cause)
                    case .deleted: _ = try await other.deleteUser(reference, because: cause)
                    case .password:
                        _ = try await other.endUser(
                            reference, password: StoreFixture.hash(), because: cause)
                    case .session: _ = try await other.revokeSession(here.session, because: cause)
                    case .login:
                        _ = try await other.beginSession(
                            late, of: verified, from: StoreFixture.origin,
                            lasting: StoreFixture.lifetime)
                    case .restored: _ = try await other.endEverything(because: cause)
                    }
                    let hasChanged = try await changed
                    let isHereAlive = try await fixture.isAlive(here)
                    let isThereAlive = try await fixture.isAlive(there)
                    let isLateAlive = try await fixture.isAlive(late)
                    #expect(isHereAlive == (rival == .login))
                    #expect(!isLateAlive)
                    if rival == .login { #expect(hasChanged) }
                    // Only the end of this one login alone leaves the other, where it came first.
                    #expect(isThereAlive == (rival == .session && !hasChanged))
                }
            }
        }
    }

    // MARK: What an operator does in psql

    /// Makes the statement known to psql, for a person's login.
    private func prepared(
        _ fixture: StoreFixture
    ) async throws -> (login: SessionCookie, execute: String) {
        let user = try await fixture.user()
        let here = try await fixture.login()
        let epoch = try await fixture.sessionUser(here).session.userEpoch
        let end = try #require(Statements.all.first { $0.name == "accounts_end_others" })
        let hash = here.secretHash.map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
        try await fixture.sql("PREPARE end_others AS \(end.sql)")
        return (
            here,
            "EXECUTE end_others ('\(here.session)', '\(user)', \(epoch), NULL, 'a test', 'tests', "
                + "NULL, '\\x\(hash)')"
        )
    }

    /// No session is brought after an epoch that has left it behind, whatever is said to be kept.
    @Test func aSessionIsNotMoved() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.user()
            let here = try await fixture.login()
            let keeps = "SELECT set_config('doornail.keeps', '\(here.session)', true)"
            let other = "SELECT set_config('doornail.keeps', '\(StoreFixture.identifier())', true)"
            let move = "UPDATE sessions SET user_epoch = user_epoch + 1"
            let end = "UPDATE users SET epoch = epoch + 1"
            for refused in [
                "\(move)", "\(keeps); \(move)", "\(end); \(move)", "\(end); \(other); \(move)",
                "\(end); \(end); \(keeps); \(move)", "\(end); \(keeps); \(move); \(move)",
                "\(end); \(keeps); UPDATE sessions SET user_epoch = user_epoch + 2",
                "\(end); \(keeps); UPDATE sessions SET user_epoch = user_epoch + 1, "
                    + "user_id = gen_random_uuid()",
                "\(end); COMMIT; BEGIN; \(keeps); \(move)",
                // The user's row is this transaction's, and its epoch is not.
                "\(end); COMMIT; BEGIN; UPDATE users SET name = 'x', "
                    + "epoch_moved_by = pg_current_xact_id(); \(keeps); \(move)",
                "UPDATE sessions SET revoked_at = now(); COMMIT; BEGIN; \(end); \(keeps); "
                    + "UPDATE sessions SET user_epoch = (SELECT epoch FROM users)",
            ] {
                let error = await #expect(throws: PostgresError.self, "\(refused)") {
                    try await fixture.sql("BEGIN; \(refused); COMMIT")
                }
                try await fixture.sql("ROLLBACK")
                guard case .refused("23000", _, _)? = error else {
                    Issue.record("\(refused): \(String(describing: error))")
                    continue
                }
            }
            #expect(try await !fixture.isAlive(here))
        }
    }

    /// Nothing of what the statement says outlives it.
    @Test func whatIsKeptIsForgotten() async throws {
        try await StoreFixture.with { fixture in
            let (here, execute) = try await prepared(fixture)
            try await fixture.sql(execute)
            #expect(try await fixture.log() == ["user true a test tests"])
            #expect(
                try await fixture.value("SELECT current_setting('doornail.keeps', true)") == "")
            #expect(try await fixture.isAlive(here))
        }
    }

    // MARK: The seam

    @Test(arguments: [false, true])
    func throughTheRevoker(changesPassword: Bool) async throws {
        try await StoreFixture.with { fixture in
            let user = try await fixture.user()
            let (here, there) = (try await fixture.login(), try await fixture.login())
            let login = try await fixture.sessionUser(here)
            let ending: TrustChange =
                changesPassword
                ? .ownPassword(login, try StoreFixture.hash(Self.newPassword)) : .others(login)
            #expect(ending.kind == (changesPassword ? "own_password" : "others"))
            #expect(ending.subject == user.description)
            let revoker = Revoker(store: fixture.store, logger: TestDatabase.logger)
            let receipt = try await revoker.end(ending, because: StoreFixture.cause)
            #expect(receipt.endedAt >= login.session.authenticatedAt)
            #expect(try await fixture.isAlive(here))
            #expect(try await !fixture.isAlive(there))
            try await fixture.end("ada")
            let error = await #expect(throws: StoreError.self) {
                _ = try await revoker.end(ending, because: StoreFixture.cause)
            }
            #expect(error?.kind == "missing")
        }
    }
}

/// Whether an end was done; false where there was nothing to end.
private func succeeds(_ work: () async throws -> UnixTime) async throws -> Bool {
    do {
        _ = try await work()
        return true
    } catch StoreError.missing {
        return false
    }
}
