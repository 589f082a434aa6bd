import Postgres
import Storage
import TestSupport
import Testing

/// Whatever a row holds is read or refused; it traps neither the decoder nor what follows it.
@Suite struct ExtremeRowTests {
    private static let names = Statements.all.filter { !$0.columnTypes.isEmpty }.map(\.name)

    @Test(arguments: names) func everyRowIsReadOrRefused(name: String) throws {
        let statement = try #require(Statements.all.first { $0.name == name })
        let cells = statement.columnTypes.map(MadeRows.cells)
        let ordinary = try cells.map { try #require($0.first) }
        try MadeRows.read([ordinary], of: statement).forEach(MadeRows.use)

        var (read, refused) = (0, 0)
        func examine(_ row: [[UInt8]?]) {
            do {
                try MadeRows.read([row], of: statement).forEach(MadeRows.use)
                read += 1
            } catch {
                guard case .undecodable = error else {
                    Issue.record("\(error)")
                    return
                }
                refused += 1
            }
        }
        for (column, cells) in cells.enumerated() {
            for cell in cells {
                var row = ordinary
                row[column] = cell
                examine(row)
            }
        }
        // All columns at once.
        for index in 0..<(cells.map(\.count).max() ?? 0) {
            examine(cells.map { $0[index % $0.count] })
        }
        #expect(read > 0 && refused > 0)
    }

    /// From 1970 to 2000, where PostgreSQL counts from.
    private static let epoch: Int64 = 946_684_800_000_000

    /// A server's time is one that can be added to and taken away from.
    @Test(
        arguments: [
            (.min / 4 - epoch, true), (.min / 4 - epoch - 1, false), (.max / 4 - epoch, true),
            (.max / 4 - epoch + 1, false), (.min, false), (.max, false),
        ] as [(Int64, Bool)])
    func serversTime(microseconds: Int64, isOne: Bool) throws {
        let ping = try #require(Statements.all.first { $0.name == "ping" })
        var row = ping.columnTypes.map { MadeRows.cells(of: $0)[0] }
        var time: [UInt8] = []
        _ = microseconds.encode(into: &time)
        row[3] = time
        #expect(((try? MadeRows.read([row], of: ping)) != nil) == isOne)
    }
}
