import OAuth
import Postgres
import Storage
import TestSupport
import Testing

/// What a person sees of the own logins and apps.
@Suite struct AccountListTests {
    @Test func isRead() async throws {
        try await StoreFixture.with { fixture in
            let (client, here, bound) = try await fixture.household()
            let there = try await fixture.login()
            let offline = try await fixture.grant(client, here, isOffline: true)
            let boundThere = try await fixture.grant(client, there)
            let offlineThere = try await fixture.grant(client, there, isOffline: true)
            let user = try await fixture.sessionUser(here).user.id
            let bob = try await fixture.user("bob")
            let bobs = try await fixture.login("bob")
            let store = fixture.store
            let account = try await store.account(of: user, here: here.session)
            #expect(account.devices.map(\.session.id) == [there, here].map(\.session))
            #expect(account.devices.map(\.apps) == [["app"], ["app"]])
            #expect(account.devices[0].userAgent == "tests")
            #expect(account.devices[0].address == "127.0.0.1")
            #expect(account.deviceApps.map(\.id) == [bound])
            #expect(account.apps.map(\.id) == [offlineThere, offline])
            #expect([account.moreDevices, account.moreApps] == [0, 0])
            #expect(account.asked == nil)
            for grant in [bound, offline, boundThere, offlineThere] {
                #expect(try await store.app(grant, of: user)?.id == grant)
                #expect(try await store.app(grant, of: bob) == nil)
            }
            #expect(try await store.app(here.session, of: user) == nil)

            _ = try await store.revokeGrant(boundThere, because: StoreFixture.cause)
            _ = try await store.revokeGrant(offline, because: StoreFixture.cause)
            _ = try await store.revokeSession(here.session, because: StoreFixture.cause)
            let after = try await store.account(of: user, here: there.session)
            #expect(after.devices.map(\.session.id) == [there.session])
            #expect(after.devices.map(\.apps) == [[]])
            #expect(after.deviceApps.isEmpty)
            #expect(after.apps.map(\.id) == [offlineThere])
            for grant in [bound, offline, boundThere] {
                #expect(try await store.app(grant, of: user)?.death != nil)
                let told = try await store.account(of: user, asked: grant)
                #expect(told.asked?.id == grant)
                #expect(told.asked?.death != nil)
                #expect(try await store.account(of: bob, asked: grant).asked == nil)
            }
            // What has ended is read where it is asked for.
            let told = try await store.account(of: user, asked: here.session)
            #expect(
                told.devices.first { $0.session.id == here.session }?.death == .sessionEnded)
            #expect([told.moreDevices, told.moreApps] == [0, 0])
            // Another person's is not.
            let theirs = try await store.account(of: bob, asked: here.session)
            #expect(theirs.devices.map(\.session.id) == [bobs.session])
            #expect(theirs.apps.isEmpty)
            try await fixture.end("bob")
            #expect(try await store.account(of: bob).devices.isEmpty)
        }
    }

    /// However many there were: those that are over are not read, and of the others the last used.
    @Test func isBounded() async throws {
        try await StoreFixture.with { fixture in
            let (_, here, _) = try await fixture.household()
            let user = try await fixture.sessionUser(here).user.id
            try await fixture.unguarded(
                "sessions", "grants",
                sql: """
                    UPDATE sessions SET last_seen_at = now() - interval '5 days';
                    INSERT INTO sessions (
                        id, user_id, user_epoch, secret_hash, amr, last_seen_at, idle_expires_at,
                        expires_at, revoked_at)
                    SELECT gen_random_uuid(), u.id, CASE WHEN n % 4 = 3 THEN 0 ELSE u.epoch END,
                           sha256('x'), '{pwd}', now() - n * interval '1 second',
                           now() + CASE WHEN n % 4 = 1 THEN -1 ELSE 1 END * interval '1 day',
                           now() + CASE WHEN n % 4 = 2 THEN -1 ELSE 1 END * interval '1 day',
                           CASE WHEN n % 8 = 4 THEN now() END
                    FROM users AS u, generate_series(1, 4000) AS n;
                    INSERT INTO grants (
                        id, client, client_epoch, user_id, user_epoch, session, is_offline, scope,
                        audiences, key_id, created_at, idle_expires_at, expires_at, revoked_at)
                    SELECT gen_random_uuid(), c.id, c.epoch, u.id,
                           CASE WHEN n % 4 = 3 THEN 0 ELSE u.epoch END, gen_random_uuid(), true, '{}', '{}',
                           1, now() - n * interval '1 second',
                           now() + CASE WHEN n % 4 = 1 THEN -1 ELSE 1 END * interval '1 day',
                           now() + CASE WHEN n % 4 = 2 THEN -1 ELSE 1 END * interval '1 day',
                           CASE WHEN n % 8 = 4 THEN now() END
                    FROM users AS u, clients AS c, generate_series(1, 4000) AS n;
                    """)
            let account = try await fixture.store.account(of: user, here: here.session)
            #expect(account.devices.count == Limits.accountDevices + 1)
            #expect(account.devices.allSatisfy { $0.death == nil })
            #expect(account.devices.last?.session.id == here.session)
            let times = account.devices.map(\.session.lastSeenAt)
            #expect(times == times.sorted(by: >))
            #expect(account.moreDevices == 500 - Limits.accountDevices)
            #expect(account.deviceApps.count == 1)
            #expect(account.apps.count == Limits.accountApps)
            #expect(account.moreApps == 500 - Limits.accountApps)
        }
    }
}
