/// A statement with typed parameters and rows. Each is written once, as a constant, and prepared
/// on each connection.
package struct Statement<Row: PostgresRow, each Input: PostgresValue>: PreparableStatement {
    package let name: String
    package let sql: String

    package init(_ name: String, _ sql: String) {
        self.name = name
        self.sql = sql
    }

    package var parameterTypes: [UInt32] {
        var types: [UInt32] = []
        for type in repeat (each Input).self { types.append(type.oid) }
        return types
    }

    package var columnTypes: [UInt32] { Cells.types(of: Row.self) }
}

/// What a connection needs to know to prepare a statement, and a test to compare it with what the
/// database makes of it.
package protocol PreparableStatement: Sendable {
    var name: String { get }
    var sql: String { get }
    /// The object ids of the types of `$1`, `$2`, ...
    var parameterTypes: [UInt32] { get }
    /// The object ids of the types that the row reads, in order.
    var columnTypes: [UInt32] { get }
}

/// A row of an answer, read cell by cell in the order of the columns.
package protocol PostgresRow: Sendable {
    init(_ cells: inout Cells) throws(PostgresError)
}

/// The row of a statement that returns no columns.
package struct NoRow: PostgresRow {
    package init(_ cells: inout Cells) throws(PostgresError) {}
}

/// The cells of one row, given out from left to right.
///
/// In its recording mode it stands for no row: it notes the types that are asked for and gives
/// samples, so that a test can compare a row type with the columns of its statement.
package struct Cells: ~Copyable {
    private enum Source {
        case answer(QueryResult, row: Int, types: [UInt32])
        case samples
    }

    private let source: Source
    private var column = 0
    private var recorded: [UInt32] = []

    init(_ answer: QueryResult, row: Int, types: [UInt32]) {
        source = .answer(answer, row: row, types: types)
    }

    private init() {
        source = .samples
    }

    /// The types that a row asks for. An optional's sample is nil; a row that refuses the samples
    /// is known up to where it did.
    static func types<Row: PostgresRow>(of row: Row.Type) -> [UInt32] {
        var cells = Cells()
        _ = try? Row(&cells)
        return cells.recorded
    }

    /// The next cell, as the type that is asked for.
    package mutating func next<Value: PostgresValue>() throws(PostgresError) -> Value {
        switch source {
        case .samples:
            recorded.append(Value.oid)
            return Value.sample
        case .answer(let answer, let row, let types):
            let column = self.column
            self.column += 1
            guard column < types.count else {
                throw .undecodable("column \(column + 1) of \(types.count) was asked for")
            }
            guard types[column] == Value.oid else {
                throw .undecodable(
                    "column \(column + 1) is of type \(types[column]), not \(Value.oid)")
            }
            do {
                return try answer.withCell(row: row, column: column) {
                    (bytes) throws(PostgresError) -> Value in
                    guard let bytes else { return try Value.decodeNull() }
                    return try Value.decode(bytes)
                }
            } catch .undecodable(let reason) {
                throw .undecodable("column \(column + 1): \(reason)")
            }
        }
    }

    /// Whether all columns were read.
    var isExhausted: Bool {
        switch source {
        case .samples: true
        case .answer(_, _, let types): column == types.count
        }
    }
}

extension QueryResult {
    /// All rows, as values.
    func decode<Row: PostgresRow>(as: Row.Type) throws(PostgresError) -> [Row] {
        let types = columnTypes
        var rows: [Row] = []
        rows.reserveCapacity(rowCount)
        for index in 0..<rowCount {
            var cells = Cells(self, row: index, types: types)
            rows.append(try Row(&cells))
            guard cells.isExhausted else {
                throw .undecodable("the answer has \(types.count) columns, and not all were read")
            }
        }
        return rows
    }
}
