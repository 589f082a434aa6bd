@testable import Cluster
import Lease
import OAuth
@testable import Postgres
@testable import Storage
import TestSupport
@testable import Serving
@testable import Web

/// What the database sends.
enum Rows {
    private static let types: [any PostgresValue.Type] = [
        Bool.self, Int16.self, Int32.self, Int64.self, PostgresTime.self, PostgresUUID.self,
        String.self, [UInt8].self, [Bool].self, [Int16].self, [Int32].self, [Int64].self,
        [String].self, [PostgresUUID].self, [PostgresTime].self, [[UInt8]].self, [Int64?].self,
        [String?].self,
    ]

    static func examine(value bytes: [UInt8]) {
        for type in types {
            guard let value = try? type.decode(bytes.span) else { continue }
            var again: [UInt8] = []
            _ = value.encode(into: &again)
            if let time = value as? PostgresTime { _ = PostgresTime(UnixTime(time)) }
        }
    }

    private static let statements = Statements.all.filter { !$0.columnTypes.isEmpty }
    /// By their type; without the long ones, which take their time.
    private static let cells = Dictionary(
        statements.flatMap(\.columnTypes).map { type in
            (type, MadeRows.cells(of: type).filter { ($0?.count ?? 0) < 1024 })
        }, uniquingKeysWith: { first, _ in first })

    /// The first byte chooses the statement. Each cell begins with a byte: below 64, one of the made
    /// cells of its type; else the length of what follows.
    static func examine(row bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        var rest = bytes.dropFirst()
        let statement = statements[Int(first) % statements.count]
        let row = statement.columnTypes.map { type -> [UInt8]? in
            let begin = rest.popFirst() ?? 0
            let made = cells[type] ?? [nil]
            guard begin >= 64 else { return made[Int(begin) % made.count] }
            defer { rest = rest.dropFirst(Int(begin) - 64) }
            return Array(rest.prefix(Int(begin) - 64))
        }
        if let rows = try? MadeRows.read([row], of: statement) { rows.forEach(MadeRows.use) }
    }

    /// Two numbers, in decimal.
    static func examine(numbers bytes: [UInt8]) {
        let numbers = bytes.split(separator: UInt8(ascii: " ")).map {
            Int64(String(decoding: $0, as: UTF8.self)) ?? Int64($0.count)
        }
        guard numbers.count >= 2 else { return }
        let (one, two) = (numbers[0], numbers[1])
        let (first, second) = (UnixTime(seconds: one), UnixTime(seconds: two))
        _ = TimeText(first, at: second, in: .german)
        _ = TimeWords.span(one, in: Words.english.time)
        _ = UTCTime(millisecondsSinceEpoch: one).httpDate
        _ = PostgresTime(first.adding(seconds: two))
        _ = TimeText(
            UnixTime(PostgresTime(microseconds: one)),
            at: UnixTime(PostgresTime(microseconds: two)),
            in: .english)
        for cell in [one, two] { lease(at: cell) }
    }

    /// A node's lease under a primary whose clock shows anything.
    private static func lease(at time: Int64) {
        guard let ping = statements.first(where: { $0.name == "ping" }) else { return }
        var row = ping.columnTypes.map { MadeRows.cells(of: $0)[0] }
        var bytes: [UInt8] = []
        _ = time.encode(into: &bytes)
        for cell in [row[3], bytes, row[3]] {
            row[3] = cell
            guard let read = try? MadeRows.read([row], of: ping).first as? Proven<NoRow> else {
                continue
            }
            let now = ContinuousClock.now
            gate.grant(
                Identifier(high: 0, low: 0), of: read.primary.reign,
                at: read.primary.now.microseconds, sentAt: now, until: now + .seconds(1))
            _ = gate.held(at: now)?.time(at: now + .seconds(1))
            _ = try? gate.outage()
        }
    }

    private static let gate = LeaseGate()
}
