import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// Codes: issued, and redeemed once.
@Suite struct AuthorizationCodeTests {
    @Test func isRedeemedOnce() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, _) = try await fixture.household()
            let login = try await fixture.sessionUser(cookie)
            let code = try await fixture.code(client, login)
            #expect(try await fixture.death(of: code) == nil)
            let row = try #require(try await fixture.store.code(code).code)
            #expect(row.client == client.id)
            #expect(row.session == login.session.id)
            #expect(row.scope.tokens == ["a", "b"])
            #expect(row.audience == ["https://api.example"])
            #expect(row.redirectURI == "https://app.example/cb")
            #expect(!row.isRedirectURISent)
            #expect(row.challenge.isMet(by: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"))
            #expect(row.redemption == nil)

            let issue = StoreFixture.grantIssue()
            #expect(try await fixture.store.redeem(code, for: issue))
            // After a lost reply, a redemption knows itself again, and nobody else does.
            #expect(try await fixture.store.redeem(code, for: issue))
            for _ in 0..<2 {
                #expect(
                    try await !fixture.store.redeem(code, for: StoreFixture.grantIssue()))
            }
            let redemption = try #require(
                try await fixture.store.code(code).code?.redemption)
            #expect(redemption.grant == issue.id)
            #expect(try await fixture.death(of: issue.id) == nil)
            #expect(try await fixture.value("SELECT count(*) FROM grants") == "2")
            #expect(
                try await fixture.value(
                    "SELECT generation || ' ' || key_id || ' ' || is_offline || ' ' || scope::text "
                        + "FROM grants WHERE id = '\(issue.id)'") == "1 1 false {a,b}")
            #expect(
                try await fixture.store.code(
                    AuthorizationCode(id: StoreFixture.identifier(), keyID: 1)
                ).code == nil)
        }
    }

    /// Issued again after a lost reply, a code stays what it was.
    @Test func issuingTwice() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, _) = try await fixture.household()
            let login = try await fixture.sessionUser(cookie)
            let id = StoreFixture.identifier()
            for scope in ["a", "a b"] {
                let request = try fixture.request(client, scope: scope)
                try await fixture.store.issueCode(
                    CodeIssue(id: id, request: request, login: login))
            }
            let row = try await fixture.store.code(AuthorizationCode(id: id, keyID: 1)).code
            #expect(row?.scope.tokens == ["a"])
        }
    }

    /// Fifty at once over two nodes: one gets a grant.
    @Test func fiftyAtOnce() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, _) = try await fixture.household()
            let code = try await fixture.code(client, fixture.sessionUser(cookie))
            try await fixture.withOtherStore { other in
                let winners = try await withThrowingTaskGroup(of: Identifier?.self) { group in
                    for index in 0..<50 {
                        let store = index % 2 == 0 ? fixture.store : other
                        group.addTask {
                            let issue = StoreFixture.grantIssue()
                            return try await store.redeem(code, for: issue) ? issue.id : nil
                        }
                    }
                    return try await group.reduce(into: []) { $0 += $1.map { [$0] } ?? [] }
                }
                #expect(winners.count == 1)
                let redemption = try await fixture.store.code(code).code?.redemption
                #expect(redemption?.grant == winners.first)
            }
            #expect(try await fixture.value("SELECT count(*) FROM grants") == "2")
        }
    }

    /// A redemption whose reply was lost while its commit was still under way knows itself, too.
    @Test func ownRetryThatMeetsItself() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, _) = try await fixture.household()
            let code = try await fixture.code(client, fixture.sessionUser(cookie))
            let issue = StoreFixture.grantIssue()
            async let first: Void = fixture.sql(
                """
                BEGIN;
                UPDATE authorization_codes SET redeemed_at = clock_timestamp(),
                    grant_id = '\(issue.id)' WHERE id = '\(code.id)';
                SELECT pg_sleep(0.5);
                COMMIT
                """)
            try await Task.sleep(for: .milliseconds(200))
            #expect(try await fixture.store.redeem(code, for: issue))
            try await first
        }
    }

    @Test func anExpiredOneIsNotRedeemed() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, _) = try await fixture.household()
            let code = try await fixture.code(client, fixture.sessionUser(cookie))
            let seconds = try await fixture.value(
                "SELECT round(extract(epoch FROM expires_at - created_at)) "
                    + "FROM authorization_codes WHERE redeemed_at IS NULL")
            #expect(seconds == "60")
            try await fixture.sql(
                "UPDATE authorization_codes SET expires_at = now() WHERE redeemed_at IS NULL")
            #expect(try await fixture.death(of: code) == .expired)
            #expect(try await !fixture.store.redeem(code, for: StoreFixture.grantIssue()))
            #expect(try await fixture.value("SELECT count(*) FROM grants") == "1")
        }
    }

    /// One client has ten live grants in one session; the oldest ends, and is logged.
    @Test func theCap() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, first) = try await fixture.household()
            let second = try await fixture.login()
            let elsewhere = try await fixture.grant(client, second)
            let other = try await fixture.grant(fixture.app("other"), cookie)
            var grants = [first]
            for _ in 1..<Limits.grantsPerSession {
                grants.append(try await fixture.grant(client, cookie))
            }
            #expect(try await fixture.log().isEmpty)
            for index in 0..<3 {
                grants.append(try await fixture.grant(client, cookie))
                #expect(try await fixture.death(of: grants[index]) == .grantEnded)
                #expect(try await fixture.death(of: grants[index + 1]) == nil)
            }
            for grant in grants[3...] + [elsewhere, other] {
                #expect(try await fixture.death(of: grant) == nil)
            }
            #expect(
                try await fixture.log()
                    == Array(
                        repeating: "grant true too many grants in one session doornail", count: 3))
            // One that was ended by itself makes room.
            _ = try await fixture.store.revokeGrant(grants[12], because: StoreFixture.cause)
            _ = try await fixture.grant(client, cookie)
            #expect(try await fixture.death(of: grants[3]) == nil)
            #expect(try await fixture.log().count == 4)
        }
    }

    /// A burst of logins of one application in one browser: all are answered, none waits for another
    /// for ever, and the next one finds no more than the cap.
    @Test func theCapUnderABurst() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, _) = try await fixture.household()
            let login = try await fixture.sessionUser(cookie)
            try await fixture.withOtherStore { other in
                for _ in 0..<2 {
                    try await withThrowingTaskGroup(of: Bool.self) { group in
                        for index in 0..<40 {
                            let store = index % 2 == 0 ? fixture.store : other
                            group.addTask {
                                let code = try await fixture.code(client, login)
                                return try await store.redeem(
                                    code, for: StoreFixture.grantIssue())
                            }
                        }
                        for try await isRedeemed in group { #expect(isRedeemed) }
                    }
                }
            }
            let last = try await fixture.grant(client, cookie)
            let alive = "SELECT count(*) FROM grants WHERE revoked_at IS NULL"
            #expect(try await fixture.value(alive) == "\(Limits.grantsPerSession)")
            #expect(try await fixture.death(of: last) == nil)
            // Each of the others was ended, and logged, once.
            #expect(try await fixture.log().count == 82 - Limits.grantsPerSession)
        }
    }

    enum End: CaseIterable, Sendable { case user, client, session }

    /// What ends between the login, the code and its redemption ends what it leads to: epochs are
    /// carried from what was read, and never read again.
    @Test(arguments: End.allCases)
    func epochsAreCarried(end: End) async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, _) = try await fixture.household()
            let store = fixture.store
            @Sendable func perform() async throws {
                switch end {
                case .user: try await fixture.end("ada")
                case .client:
                    _ = try await store.endClient(
                        "app", disabling: false, because: StoreFixture.cause)
                case .session:
                    _ = try await store.revokeSession(
                        cookie.session, because: StoreFixture.cause)
                }
            }
            let cause: Liveness.CauseOfDeath =
                switch end {
                case .user: .userEnded
                case .client: .clientEnded
                case .session: .sessionEnded
                }
            // Two codes were issued before the end, one rests on what was read before it.
            let login = try await fixture.sessionUser(cookie)
            let before = try await fixture.code(client, login)
            let offline = try await fixture.code(client, login, scope: "a offline_access")
            try await perform()
            let after = try await fixture.code(client, login)
            for code in [before, offline, after] {
                #expect(try await fixture.death(of: code) == cause)
            }
            // Redeemed all the same, by a request that had looked before: it lives no more. Where the
            // login has ended, nothing is made at all.
            let isRedeemable = end != .session
            for code in [before, after] {
                let issue = StoreFixture.grantIssue()
                #expect(try await store.redeem(code, for: issue) == isRedeemable)
                guard isRedeemable else { continue }
                #expect(try await fixture.death(of: issue.id) == cause)
            }
            let issue = StoreFixture.grantIssue(isOffline: true)
            #expect(try await store.redeem(offline, for: issue) == isRedeemable)
            guard isRedeemable else { return }
            #expect(try await fixture.death(of: issue.id) == cause)
            #expect(
                try await fixture.value(
                    "SELECT count(*) FROM grants AS g JOIN authorization_codes AS a "
                        + "ON a.grant_id = g.id AND a.user_epoch = g.user_epoch "
                        + "AND a.client_epoch = g.client_epoch AND a.session = g.session") == "4")
        }
    }

    @Test func anOperatorChangesNothingOfACode() async throws {
        try await StoreFixture.with { fixture in
            let (client, cookie, _) = try await fixture.household()
            try await fixture.sql("DELETE FROM authorization_codes")
            let code = try await fixture.code(client, fixture.sessionUser(cookie))
            #expect(try await fixture.store.redeem(code, for: StoreFixture.grantIssue()))
            for refused in [
                "redeemed_at = NULL, grant_id = NULL", "grant_id = gen_random_uuid()",
                "id = gen_random_uuid()", "client = gen_random_uuid()",
                "session = gen_random_uuid()", "user_id = gen_random_uuid()",
                "client_epoch = client_epoch + 1", "user_epoch = user_epoch + 1",
            ] {
                let error = await #expect(throws: PostgresError.self, "\(refused)") {
                    try await fixture.sql("UPDATE authorization_codes SET \(refused)")
                }
                guard case .refused("23000", _, _)? = error else {
                    Issue.record("\(refused): \(String(describing: error))")
                    continue
                }
            }
        }
    }

    /// What a person allowed is added up per client, and goes with either.
    @Test func consents() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let user = try await fixture.user()
            let client = try await fixture.app()
            let other = try await fixture.app("other")
            let cookie = try await fixture.login()
            let store = fixture.store
            func remembered(_ client: Client) async throws -> Set<String>? {
                try await store.session(cookie.session, consentTo: client.id).consent
                    .map { Set($0.tokens) }
            }
            #expect(try await remembered(client) == nil)
            for (scope, expected) in [
                (["a"], ["a"]), (["a"], ["a"]), (["b"], ["a", "b"]), ([], ["a", "b"]),
            ] as [([String], Set<String>)] {
                try await store.rememberConsent(
                    of: user, to: client.id, scope: Scope(stored: scope))
                #expect(try await remembered(client) == expected)
            }
            #expect(try await remembered(other) == nil)
            try await store.rememberConsent(
                of: user, to: other.id, scope: Scope(stored: ["a"]))
            _ = try await store.deleteClient("app", because: StoreFixture.cause)
            #expect(try await fixture.value("SELECT count(*) FROM consents") == "1")
            _ = try await store.deleteUser(UserReference("ada"), because: StoreFixture.cause)
            #expect(try await fixture.value("SELECT count(*) FROM consents") == "0")
        }
    }
}
