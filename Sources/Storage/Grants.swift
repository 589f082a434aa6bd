package import Lease
package import OAuth
import Postgres

/// A refresh token that is to be used.
package struct Rotation: Sendable, Hashable {
    package let grant: Identifier
    package let generation: Int64
    /// The secret that a new refresh token would be under.
    package let keyID: UInt8
    package let idleSeconds: Int64
    package let retryWindowSeconds: Int64
    /// False: the token comes back as it is.
    package let rotates: Bool
    /// The last outage: answers that were lost in it may be asked for once it is over.
    package let outage: Outage?

    package init(
        grant: Identifier, generation: Int64, keyID: UInt8, idleSeconds: Int64,
        retryWindowSeconds: Int64, rotates: Bool, outage: Outage?
    ) {
        self.grant = grant
        self.generation = generation
        self.keyID = keyID
        self.idleSeconds = idleSeconds
        self.retryWindowSeconds = retryWindowSeconds
        self.rotates = rotates
        self.outage = outage
    }
}

/// A grant that is to be ended.
struct GrantRevocation: Hashable, Sendable {
    let grant: Identifier
    let cause: Cause
}

/// Grants: refreshed and ended, many at a time.
enum Grants {
    struct RotatedRow: PostgresRow {
        /// What the row says now, where the statement changed it.
        let generation: Int64?
        let keyID: Int16?
        /// What it said before, nil where there is no row.
        let before: Int64?
        let isOver: Bool?

        init(_ cells: inout Cells) throws(PostgresError) {
            generation = try cells.next()
            keyID = try cells.next()
            before = try cells.next()
            isOver = try cells.next()
        }

        func verdict(on rotation: Rotation, at now: UnixTime) -> RefreshTokenGrant.Verdict {
            if let generation, let keyID {
                return .issue(
                    RefreshToken(
                        grant: rotation.grant, generation: generation,
                        keyID: UInt8(clamping: keyID)),
                    at: now)
            }
            guard let before, isOver == false else { return .over }
            return before < rotation.generation ? .stateLost : .replay
        }
    }

    /// Compares and sets, one row for each request, in order: the present generation goes up by one;
    /// the one before it is answered again while its window lasts; nothing else changes anything.
    ///
    /// A retry writes too, so that its answer rests on a commit, and gets the secret that the
    /// first answer was under, so that it is the same text.
    ///
    /// `= ANY (ARRAY[...])` is `=` that no plan but a lookup by key can do
    /// (docs/decisions/0017-plans-by-key.md).
    static let rotate = Statement<
        Proven<RotatedRow>, [PostgresUUID], [Int64], [Int16], [Int64], [Int64], [Bool], [Int64],
        [Int64]
    >(
        "grants_rotate",
        """
        WITH \(Primary.expression),
        asked AS (
            SELECT *
            FROM \(Store.unnest(
                "uuid", "bigint", "smallint", "bigint", "bigint", "boolean", "bigint", "bigint"))
                WITH ORDINALITY AS a (id, generation, key_id, idle, retry, rotates, outage_began,
                                      outage_ended, position)),
        locked AS MATERIALIZED (
            SELECT a.*, g.present, g.is_over, g.retry_until
            FROM (SELECT * FROM asked ORDER BY id) AS a
            CROSS JOIN LATERAL (
                SELECT generation AS present,
                       NOT (\(Alive.refreshableGrant("grants"))) AS is_over,
                       rotated_at + make_interval(secs => a.retry) AS retry_until
                FROM grants WHERE id = a.id FOR UPDATE) AS g),
        changed AS (
            UPDATE grants AS g SET
                generation = l.present
                    + CASE WHEN l.rotates AND l.present = l.generation THEN 1 ELSE 0 END,
                rotated_at = CASE WHEN l.rotates AND l.present = l.generation
                                  THEN \(Primary.time) ELSE g.rotated_at END,
                key_id = CASE WHEN l.present = l.generation THEN l.key_id ELSE g.key_id END,
                idle_expires_at = CASE WHEN l.present = l.generation
                                       THEN \(Primary.time)
                                            + make_interval(secs => l.idle)
                                       ELSE g.idle_expires_at END,
                retries = g.retries + CASE WHEN l.present = l.generation THEN 0 ELSE 1 END,
                last_used_at = \(Primary.time)
            FROM locked AS l
            WHERE g.id = ANY (ARRAY[l.id]) AND NOT l.is_over AND (
                l.present = l.generation
                OR l.present = l.generation + 1 AND (
                    \(Primary.time) < l.retry_until
                    OR l.outage_began <= extract(epoch FROM l.retry_until)
                       AND extract(epoch FROM \(Primary.time)) < l.outage_ended + l.retry))
            RETURNING g.id, g.generation, g.key_id)
        SELECT \(Primary.columns), changed.generation, changed.key_id, locked.present,
               locked.is_over
        FROM primary_state CROSS JOIN asked
        LEFT JOIN changed USING (id)
        LEFT JOIN locked USING (id)
        ORDER BY asked.position
        """)

    /// Uses refresh tokens. Requests for one grant that differ go one after the other, since a
    /// statement may touch a row only once.
    ///
    /// It is not repeated here where its outcome is unknown: the client is told to ask again, and finds
    /// its answer in the retry window. (`Web/Endpoints/Refreshes` does so by itself, in a long window.)
    static func rotate(
        _ rotations: [Rotation], on database: ProvenPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [Result<RefreshTokenGrant.Verdict, PostgresError>] {
        var verdicts: [Rotation: Result<RefreshTokenGrant.Verdict, PostgresError>] = [:]
        var waiting = rotations
        while !waiting.isEmpty {
            var taken: Set<Identifier> = []
            let batch = waiting.filter { taken.insert($0.grant).inserted }
            let sent = Set(batch)
            waiting.removeAll(where: sent.contains)
            do {
                let rows = try await send(batch, on: database, by: deadline)
                for (rotation, proven) in zip(batch, rows) {
                    verdicts[rotation] = .success(
                        proven.row.verdict(on: rotation, at: proven.primary.time))
                }
            } catch {
                // As a whole it may be tried again only while nothing of it was done.
                if verdicts.isEmpty { throw error }
                for rotation in batch { verdicts[rotation] = .failure(error) }
            }
        }
        return rotations.map { verdicts[$0] ?? .success(.over) }
    }

    private static func send(
        _ batch: [Rotation], on database: ProvenPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [Proven<RotatedRow>] {
        try await database.rows(
            rotate, batch.map(\.grant.uuid), batch.map(\.generation),
            batch.map { Int16($0.keyID) }, batch.map(\.idleSeconds),
            batch.map(\.retryWindowSeconds), batch.map(\.rotates),
            // Without an outage: one that begins after all time is nobody's.
            batch.map { $0.outage?.began.seconds ?? .max },
            batch.map { $0.outage?.ended.seconds ?? 0 }, by: deadline
        ).counted(batch.count, of: rotate)
    }

    struct RevokedRow: PostgresRow {
        let isFound: Bool

        init(_ cells: inout Cells) throws(PostgresError) {
            isFound = try cells.next()
        }
    }

    /// Ends grants in one commit, in the order of their ids; one that has ended is written again.
    static let revoke = Statement<Proven<RevokedRow>, [PostgresUUID], [String], [String]>(
        "grants_revoke",
        """
        WITH \(Primary.expression),
        asked AS (
            SELECT * FROM \(Store.unnest("uuid", "text", "text"))
                WITH ORDINALITY AS a (id, reason, actor, position)),
        locked AS MATERIALIZED (
            SELECT a.*
            FROM (SELECT * FROM asked ORDER BY id) AS a
            CROSS JOIN LATERAL (SELECT FROM grants WHERE id = a.id FOR UPDATE) AS g),
        ended AS (
            UPDATE grants AS g SET
                revoked_at = coalesce(g.revoked_at, \(Primary.time)),
                revoked_reason = l.reason, revoked_by = l.actor, revocations = g.revocations + 1
            FROM locked AS l
            WHERE g.id = ANY (ARRAY[l.id])
            RETURNING g.id)
        SELECT \(Primary.columns), ended.id IS NOT NULL
        FROM primary_state CROSS JOIN asked LEFT JOIN ended USING (id)
        ORDER BY asked.position
        """)
}

extension Rotation: BatchedRequest {
    static let batch = "rotate"

    static func perform(
        _ requests: [Rotation], on database: ProvenPool, by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [Result<RefreshTokenGrant.Verdict, PostgresError>] {
        try await Grants.rotate(requests, on: database, by: deadline)
    }
}

extension GrantRevocation: BatchedRequest {
    static let batch = "revoke_grant"

    /// When each grant was ended; nil where there is none.
    static func perform(
        _ requests: [GrantRevocation], on database: ProvenPool,
        by deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [UnixTime?] {
        // One entry a row: two callers may end one grant at the same time, for reasons of their own.
        var distinct: [Identifier: GrantRevocation] = [:]
        for request in requests { distinct[request.grant] = request }
        let ended = Array(distinct.values)
        let rows = try await database.committedRows(
            Grants.revoke, ended.map(\.grant.uuid), ended.map(\.cause.reason),
            ended.map(\.cause.actor), by: deadline
        ).counted(ended.count, of: Grants.revoke)
        var times: [Identifier: UnixTime] = [:]
        for (request, proven) in zip(ended, rows) where proven.row.isFound {
            times[request.grant] = proven.primary.time
        }
        return requests.map { times[$0.grant] }
    }
}

extension Store {
    /// Uses a refresh token, once the rules allow it; the row has the last word.
    package func rotate(
        _ rotation: Rotation, by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> RefreshTokenGrant.Verdict {
        if Trap.retryByRead.isPlanted, let verdict = try await answerByRead(rotation, by: deadline)
        {
            return verdict
        }
        let outcome = try await batched(rotation, by: deadline)
        do {
            return try outcome.get()
        } catch {
            throw StoreError(error)
        }
    }

    /// Ends a grant with all that hangs on it; `missing` where there is none.
    package func revokeGrant(
        _ id: Identifier, because cause: Cause,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> UnixTime {
        guard
            let endedAt = try await batched(GrantRevocation(grant: id, cause: cause), by: deadline)
        else {
            throw .missing(.grant(id))
        }
        return endedAt
    }
}
