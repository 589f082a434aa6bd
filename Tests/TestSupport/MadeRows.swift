import CLibPQ
import Cluster
import Lease
import OAuth
@testable package import Postgres
@testable import Storage

/// Rows that no database gave, of any bytes, as libpq would hand them on.
package enum MadeRows {
    /// The rows that a statement reads from cells; a null is nil.
    package static func read(
        _ rows: [[[UInt8]?]], of statement: any PreparableStatement
    ) throws(PostgresError) -> [any PostgresRow] {
        guard let statement = statement as? any RowReading,
            let answer = QueryResult.made(of: rows, types: statement.columnTypes)
        else { throw .unavailable("libpq made no answer") }
        return try statement.rows(of: answer)
    }

    // MARK: Cells

    /// What a column of a type may hold, and what no database sends: the first is ordinary, the
    /// others are at a limit, or past it.
    package static func cells(of type: UInt32) -> [[UInt8]?] {
        values(of: type) + [nil, [], [0], [UInt8](repeating: 0xFF, count: 7)]
    }

    private static func values(of type: UInt32) -> [[UInt8]] {
        switch type {
        case Bool.oid: [[1], [0], [0xFF]]
        case Int16.oid: integers(Int16.self)
        case Int32.oid: integers(Int32.self)
        case Int64.oid: integers(Int64.self)
        case PostgresTime.oid: times.map { bytes($0) }
        case PostgresUUID.oid:
            [0, UInt64.max].map { bytes(PostgresUUID(high: $0, low: $0)) }
        case String.oid:
            ["alive", "", "e\u{301}", "\0", String(repeating: "é", count: 40_000)]
                .map { Array($0.utf8) } + [[0xFF], [0xC3]]
        case [UInt8].oid: [32, 0, 70_000].map { [UInt8](repeating: 0x61, count: $0) }
        case [Bool].oid: arrays(of: Bool.oid)
        case [Int16].oid: arrays(of: Int16.oid)
        case [Int32].oid: arrays(of: Int32.oid)
        case [Int64].oid: arrays(of: Int64.oid)
        case [String].oid: arrays(of: String.oid)
        case [PostgresUUID].oid: arrays(of: PostgresUUID.oid)
        case [PostgresTime].oid: arrays(of: PostgresTime.oid)
        case [[UInt8]].oid: arrays(of: [UInt8].oid)
        default: []
        }
    }

    private static func integers<Integer: PostgresInteger>(_ type: Integer.Type) -> [[UInt8]] {
        [1, 0, .min, .max, Integer.min + 1, Integer.max - 1].map { bytes($0) }
    }

    /// PostgreSQL counts microseconds from 2000. From an ordinary moment on: `-infinity`,
    /// `infinity`, 4713 BC, 294276 AD, one before and one past each, and the turn of 1970.
    private static let times: [Int64] = [
        846_000_000_000_000, .min, .max, -211_813_488_000_000_000, 9_223_371_331_199_999_999,
        .min + 1, -211_813_488_000_000_001, 9_223_371_331_200_000_000, .max - 1,
        -946_684_800_000_001, -946_684_800_000_000,
    ]

    private static func arrays(of element: UInt32) -> [[UInt8]] {
        let values = values(of: element)
        func array(
            dimensions: Int32 = 1, of type: UInt32 = element, count: Int32, bound: Int32 = 1,
            _ elements: [[UInt8]?]
        ) -> [UInt8] {
            var array = bytes(dimensions) + bytes(Int32(0)) + bytes(Int32(bitPattern: type))
            array += bytes(count) + bytes(bound)
            for element in elements {
                array += bytes(Int32(element?.count ?? -1)) + (element ?? [])
            }
            return array
        }
        let many = [[UInt8]](repeating: values[0], count: 5000)
        return [
            array(count: 1, [values[0]]), Array(array(dimensions: 0, count: 0, []).prefix(12)),
            array(count: Int32(values.count), values), array(count: 5000, many),
            array(count: 1, bound: .min, [values[0]]), array(count: 1, bound: .max, [values[0]]),
            array(count: 2, [values[0], nil]), array(dimensions: 2, count: 1, [values[0]]),
            array(dimensions: .min, count: 1, []), array(of: .max, count: 1, [values[0]]),
            array(count: -1, [values[0]]), array(count: .min, []), array(count: .max, [values[0]]),
            array(count: 1, []) + bytes(Int32(-2)), array(count: 1, []) + bytes(Int32.max),
            Array(array(count: 1, [values[0]]).dropLast()),
        ]
    }

    private static func bytes(_ value: some PostgresValue) -> [UInt8] {
        var bytes: [UInt8] = []
        _ = value.encode(into: &bytes)
        return bytes
    }

    // MARK: What becomes of a row

    /// Does with a row what its readers do, as far as that takes no database.
    package static func use(_ row: any PostgresRow) {
        let now = (row as? any FromPrimary)?.primary.time ?? UnixTime(seconds: 0)
        switch row {
        case let row as Proven<Tokens.LivenessRow>: judge(row.row, row.primary)
        case let row as Proven<AuthorizationCodes.FoundRow>:
            guard let code = row.row.code else { return }
            _ = Liveness.deathOfCode(
                code,
                in: Liveness.State(
                    readAt: now, client: row.row.client, session: row.row.session,
                    user: row.row.user))
            _ = code.redemption?.at.adding(seconds: Limits.codeReplaySeconds)
        case let row as Proven<Sessions.FoundRow>:
            _ = Liveness.deathOfSession(row.row.session, user: row.row.user, at: now)
            _ = row.row.session?.isUseDue(at: now, idleSeconds: 3600)
            _ = row.row.session.map { PostgresTime($0.authenticatedAt) }
        case let row as Proven<Accounts.DeviceRow>: _ = row.row.device(at: now)
        case let row as Proven<Accounts.AppRow>: _ = row.row.grant.record(at: now)
        case let row as Proven<SessionRecords.RecordRow>: _ = row.row.record(at: now)
        case let row as Proven<SessionRecords.GrantRow>: _ = row.row.record(at: now)
        case let row as Proven<Grants.RotatedRow>:
            for generation in [Int64.min, 0, .max] {
                let rotation = Rotation(
                    grant: Identifier(high: 0, low: 0), generation: generation, keyID: 1,
                    idleSeconds: 1, retryWindowSeconds: 1, rotates: true, outage: nil)
                _ = row.row.verdict(on: rotation, at: now)
            }
        case let row as Proven<Users.FoundRow>: _ = row.row.passwordHash.flatMap(PasswordHash.init)
        case let row as Proven<Clients.FoundRow>:
            _ = row.row.client.map {
                RedirectURI("https://a.example", registered: $0.registration.redirectURIs)
            }
        case let row as Proven<ClientRecords.RecordRow>:
            _ = row.row.record?.client.registration.problems
        case let row as Proven<SigningKeys.KeyRow>:
            let known = row.row.record.map { [$0.known] } ?? []
            for algorithm in SigningAlgorithm.allCases {
                _ = SigningKeyRules.signer(algorithm, among: known, at: now)
                _ = SigningKeyRules.isDue(algorithm, among: known, at: now)
            }
            _ = SigningKeyRules.published(among: known, at: now)
        case let row as Proven<Nodes.NodeRow>: wait(for: row.row)
        case let row as Proven<NodePolls.PolledRow>: follow(row.row, row.primary)
        default: break
        }
    }

    private static func judge(_ row: Tokens.LivenessRow, _ primary: Primary) {
        let state = Liveness.State(
            readAt: primary.time, isTokenRevoked: row.isTokenRevoked,
            isSecretRetired: row.isSecretRetired, client: row.client, grant: row.grant,
            session: row.session, user: row.user)
        let id = Identifier(high: 0, low: 0)
        for expiry in [Int64.min, 0, .max] {
            let token = Token.access(
                AccessToken(
                    id: id, keyID: 1, subject: .grant(id), issuedAt: primary.time,
                    expiresAt: UnixTime(seconds: expiry), scope: nil, audience: nil))
            for token in [token, .refresh(RefreshToken(grant: id, generation: expiry, keyID: 1))] {
                guard case .alive(let live) = Liveness.of(token, in: state) else { continue }
                _ = Introspection.active(token, live, issuer: "https://issuer.example")
            }
        }
    }

    private static func wait(for row: Nodes.NodeRow) {
        let node = NodeRecord(
            id: Identifier(high: 0, low: 0), keyIDs: [],
            lease: .milliseconds(Int64(row.leaseMilliseconds ?? 1)), applied: row.applied ?? 0,
            renewedAt: row.renewedAt ?? .distantPast)
        let list = NodeList(
            endOfLog: row.endOfLog, timelineAge: row.timelineAge.map { .milliseconds($0) },
            nodes: [node])
        _ = RevocationWait.step(
            for: row.endOfLog, elapsed: .seconds(1), list: list,
            isWhole: RevocationWait.isWhole(list))
        var watch = DeadNodeWatch()
        _ = watch.dead(among: list.nodes, at: .now)
        _ = watch.dead(among: list.nodes, at: .now + .seconds(1))
    }

    private static func follow(_ row: NodePolls.PolledRow, _ primary: Primary) {
        for applied in [Int64.min, -1, 0, .max - 1, .max] {
            var lease = Lease(length: .milliseconds(250))
            let nothing = Identifier(high: 0, low: 0)
            lease.joined(
                Joining(
                    incarnation: nothing, reign: primary.reign, logID: nothing, endOfLog: applied))
            let entries = row.entry.map { [$0] } ?? []
            _ = lease.received(
                Poll(
                    reign: primary.reign, time: primary.now.microseconds,
                    isRenewed: row.isRenewed, endOfLog: row.endOfLog, entries: entries),
                sentAt: .now)
        }
    }
}

// MARK: Making answers

private protocol RowReading: PreparableStatement {
    func rows(of answer: QueryResult) throws(PostgresError) -> [any PostgresRow]
}

extension Statement: RowReading {
    func rows(of answer: QueryResult) throws(PostgresError) -> [any PostgresRow] {
        try answer.decode(as: Row.self)
    }
}

private protocol FromPrimary {
    var primary: Primary { get }
}

extension Proven: FromPrimary {}

extension QueryResult {
    fileprivate static func made(of rows: [[[UInt8]?]], types: [UInt32]) -> QueryResult? {
        guard let raw = unsafe PQmakeEmptyPGresult(nil, PGRES_TUPLES_OK) else { return nil }
        let answer = unsafe QueryResult(raw)
        var columns = unsafe types.map { type in
            var column = unsafe PGresAttDesc()
            unsafe column.typid = type
            unsafe column.format = 1
            return unsafe column
        }
        guard unsafe PQsetResultAttrs(raw, Int32(types.count), &columns) == 1 else { return nil }
        for (row, cells) in rows.enumerated() {
            for (column, cell) in cells.enumerated() {
                var bytes = (cell ?? []).map { CChar(bitPattern: $0) }
                let length = cell == nil ? -1 : Int32(bytes.count)
                guard unsafe PQsetvalue(raw, Int32(row), Int32(column), &bytes, length) == 1 else {
                    return nil
                }
            }
        }
        return answer
    }
}
