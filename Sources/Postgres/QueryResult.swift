import CLibPQ

/// One result of libpq; it is used on the connection's thread alone.
@safe final class QueryResult {
    private let raw: OpaquePointer

    init(_ raw: OpaquePointer) {
        unsafe self.raw = unsafe raw
    }

    deinit {
        unsafe PQclear(raw)
    }

    enum Kind {
        case rows
        case command
        case refusal(ServerMessage)
        case pipelineEnd
        case pipelineAborted
        case unexpected(String)
    }

    var kind: Kind {
        let status = unsafe PQresultStatus(raw)
        return switch status {
        case PGRES_TUPLES_OK: .rows
        case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: .command
        case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE: unsafe .refusal(ServerMessage(raw))
        case PGRES_PIPELINE_SYNC: .pipelineEnd
        case PGRES_PIPELINE_ABORTED: .pipelineAborted
        default: unsafe .unexpected(String(cString: PQresStatus(status)))
        }
    }

    var rowCount: Int { unsafe Int(PQntuples(raw)) }

    /// The types of the columns.
    var columnTypes: [UInt32] {
        unsafe (0..<PQnfields(raw)).map { unsafe PQftype(raw, $0) }
    }

    /// The types of the parameters, in the result of a describe.
    var parameterTypes: [UInt32] {
        unsafe (0..<PQnparams(raw)).map { unsafe PQparamtype(raw, $0) }
    }

    /// Gives a cell's bytes to a closure; nil for null.
    func withCell<T, E: Error>(
        row: Int, column: Int, _ body: (Span<UInt8>?) throws(E) -> T
    ) throws(E) -> T {
        let (row, column) = (Int32(row), Int32(column))
        guard unsafe PQgetisnull(raw, row, column) == 0,
            let start = unsafe PQgetvalue(raw, row, column)
        else { return try body(nil) }
        let bytes = unsafe UnsafeRawBufferPointer(
            start: start, count: Int(PQgetlength(raw, row, column)))
        return try unsafe body(bytes.assumingMemoryBound(to: UInt8.self).span)
    }
}

extension ServerMessage {
    /// What an error or a notice of libpq says. One that libpq made itself (a lost connection) has
    /// no SQLSTATE; it counts as fatal.
    init(_ result: OpaquePointer) {
        func field(_ code: Character) -> String? {
            unsafe PQresultErrorField(result, Int32(code.asciiValue ?? 0)).map {
                unsafe String(cString: $0)
            }
        }
        let libraryMessage = unsafe String(cString: PQresultErrorMessage(result)).trimmedLine
        let severity = field("V") ?? field("S")
        self.init(
            severity: severity ?? "FATAL",
            sqlState: field("C") ?? (severity == nil ? "08006" : "00000"),
            message: field("M") ?? libraryMessage,
            constraint: field("n"))
    }
}

extension String {
    /// The message on one line, without space at its ends: libpq's end in a newline.
    var trimmedLine: String {
        split(separator: "\n").map { line in
            String(line.drop { $0 == " " || $0 == "\t" })
        }.joined(separator: "; ")
    }
}
