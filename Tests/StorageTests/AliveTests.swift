import OAuth
import Postgres
import TestSupport
import Testing

@testable import Storage

/// Conditions in SQL say what `Liveness` says, for every combination of what they look at.
@Suite struct AliveTests {
    /// Something that makes a thing dead; the bit under which SQL finds it in a row's number.
    private enum Flaw: Int, CaseIterable {
        case sessionEnded, sessionIdle, sessionExpired
        case userDisabled, userEnded, clientDisabled, clientEnded
        case grantEnded, grantIdle, grantExpired
        case offline

        var sql: String { "n & \(1 << rawValue) <> 0" }

        func isSet(in number: Int) -> Bool { number & (1 << rawValue) != 0 }
    }

    private static let now: Int64 = 1_000_000
    /// A condition for each, in this order.
    private static let conditions = [
        Alive.session("s", at: time) + " AND " + Alive.user("u", epoch: "s.user_epoch"),
        hanging(Alive.grant("g", at: time)), hanging(Alive.refreshableGrant("g", at: time)),
    ]
    private static let time = "to_timestamp(\(now))"

    /// A grant's own condition with those of what it hangs on.
    private static func hanging(_ grant: String) -> String {
        """
        \(grant) AND \(Alive.client("c", epoch: "g.client_epoch"))
        AND (g.is_offline AND \(Alive.user("u", epoch: "g.user_epoch"))
             OR NOT g.is_offline AND \(Alive.session("s", at: time))
                AND \(Alive.user("u", epoch: "s.user_epoch")))
        """
    }

    /// - Parameter margin: how long before its end something is looked at: 0 is the end itself.
    private func verdicts(_ fixture: StoreFixture, margin: Int64) async throws -> [String] {
        func over(_ flaw: Flaw) -> String {
            "to_timestamp(CASE WHEN \(flaw.sql) THEN \(Self.now) ELSE \(Self.now + margin) END)"
        }
        func ended(_ flaw: Flaw) -> String { "CASE WHEN \(flaw.sql) THEN to_timestamp(5) END" }
        func epoch(_ flaw: Flaw) -> String { "CASE WHEN \(flaw.sql) THEN 2 ELSE 1 END" }
        return try await fixture.column(
            """
            SELECT concat_ws(' ', \(Self.conditions.map { "(\($0))::text" }.joined(separator: ", ")))
            FROM generate_series(0, \((1 << Flaw.allCases.count) - 1)) AS n
            CROSS JOIN LATERAL (
                SELECT \(ended(.sessionEnded)) AS revoked_at,
                       \(over(.sessionIdle)) AS idle_expires_at,
                       \(over(.sessionExpired)) AS expires_at, 1 AS user_epoch) AS s
            CROSS JOIN LATERAL (
                SELECT \(ended(.userDisabled)) AS disabled_at, \(epoch(.userEnded)) AS epoch) AS u
            CROSS JOIN LATERAL (
                SELECT \(ended(.clientDisabled)) AS disabled_at,
                       \(epoch(.clientEnded)) AS epoch) AS c
            CROSS JOIN LATERAL (
                SELECT \(ended(.grantEnded)) AS revoked_at, \(over(.grantIdle)) AS idle_expires_at,
                       \(over(.grantExpired)) AS expires_at, 1 AS user_epoch, 1 AS client_epoch,
                       \(Flaw.offline.sql) AS is_offline) AS g
            ORDER BY n
            """)
    }

    /// The same rows, as they are judged once they were read.
    private func expected(_ number: Int, margin: Int64) -> String {
        let id = Identifier(high: 1, low: 1)
        func has(_ flaw: Flaw) -> Bool { flaw.isSet(in: number) }
        func end(_ flaw: Flaw) -> UnixTime {
            UnixTime(seconds: has(flaw) ? Self.now : Self.now + margin)
        }
        let now = UnixTime(seconds: Self.now)
        let session = SessionState(
            id: id, user: id, userEpoch: 1, authenticatedAt: now, lastSeenAt: now,
            idleExpiresAt: end(.sessionIdle), expiresAt: end(.sessionExpired),
            isRevoked: has(.sessionEnded), amr: [])
        let user = Liveness.UserState(
            id: id, username: "ada", epoch: has(.userEnded) ? 2 : 1,
            isDisabled: has(.userDisabled))
        let grant = GrantState(
            id: id, client: id, clientEpoch: 1, user: id, userEpoch: 1, session: id,
            isOffline: has(.offline), scope: .none, audience: [], generation: 1, rotatedAt: now,
            idleExpiresAt: end(.grantIdle), expiresAt: end(.grantExpired),
            isRevoked: has(.grantEnded), authenticatedAt: nil)
        let state = Liveness.State(
            readAt: now,
            client: Liveness.ClientState(
                clientID: "app", epoch: has(.clientEnded) ? 2 : 1,
                isDisabled: has(.clientDisabled)),
            grant: grant, session: session, user: user)
        let refresh = Liveness.of(RefreshToken(grant: id, generation: 1, keyID: 1), in: state)
        let isRefreshable = if case .alive = refresh { true } else { false }
        return [
            Liveness.deathOfSession(session, user: user, at: now) == nil,
            Liveness.deathOfGrant(in: state) == nil, isRefreshable,
        ].map(String.init).joined(separator: " ")
    }

    @Test func theyAgree() async throws {
        try await StoreFixture.with { fixture in
            for margin in [0, 1, 3600] as [Int64] {
                let verdicts = try await verdicts(fixture, margin: margin)
                #expect(verdicts.count == 1 << Flaw.allCases.count)
                let wrong = verdicts.enumerated().first {
                    $0.element != expected($0.offset, margin: margin)
                }
                #expect(wrong == nil, "margin \(margin)")
                // Where nothing is over, something is alive.
                #expect(verdicts.contains { $0.contains("true") } == (margin > 0))
            }
        }
    }
}
