import CLibPQ
import Logging

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A connection of libpq in its nonblocking mode, with deadlines by poll(2).
///
/// The one place that calls libpq for connections; it belongs to one thread. It is closed when it
/// goes, without a word to a statement under way: `PQcancel` blocks.
@safe struct Link: ~Copyable {
    /// What keeps an answer from coming.
    enum Trouble: Error {
        case overdue
        case lost(String)

        var description: String {
            switch self {
            case .overdue: "no answer in time"
            case .lost(let reason): "the connection was lost: \(reason)"
            }
        }
    }

    private let raw: OpaquePointer
    let notices: Notices

    deinit {
        unsafe PQfinish(raw)
    }

    /// Takes over a connection that libpq has begun to make.
    private init(_ raw: OpaquePointer, notices: Notices) {
        unsafe self.raw = unsafe raw
        self.notices = notices
        unsafe notices.attach(to: raw)
    }

    /// Connects to one endpoint. Only DNS blocks beyond the deadline.
    static func open(
        to endpoint: ConnectionSettings.Parameters, of settings: ConnectionSettings,
        logger: Logger?, deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> Link {
        let parameters = settings.parameters(for: endpoint)
        let raw = unsafe withCStrings(parameters.map(\.name)) { names in
            unsafe withCStrings(parameters.map(\.value)) { values in
                unsafe PQconnectStartParams(names, values, 1)
            }
        }
        guard let raw = unsafe raw else { throw .unavailable("out of memory") }
        let link = unsafe Link(raw, notices: Notices(logger: logger))
        guard link.connect(until: deadline) else {
            let reason = link.errorMessage
            throw .unavailable(reason.isEmpty ? "no connection in time" : settings.redacted(reason))
        }
        return link
    }

    private borrowing func connect(until deadline: ContinuousClock.Instant) -> Bool {
        var state = PGRES_POLLING_WRITING
        while state != PGRES_POLLING_OK {
            guard unsafe PQstatus(raw) != CONNECTION_BAD, state != PGRES_POLLING_FAILED else {
                return false
            }
            let events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT
            guard wait(for: Int16(events), until: deadline) else { return false }
            state = unsafe PQconnectPoll(raw)
        }
        return unsafe PQsetnonblocking(raw, 1) == 0
    }

    /// What libpq says is wrong.
    var errorMessage: String { unsafe String(cString: PQerrorMessage(raw)).trimmedLine }

    var isInTransaction: Bool { unsafe PQtransactionStatus(raw) != PQTRANS_IDLE }

    /// Whether the transaction is open and not failed.
    var isInWorkingTransaction: Bool { unsafe PQtransactionStatus(raw) == PQTRANS_INTRANS }

    /// Whether the server is still there, as far as what has arrived says. It does not wait.
    ///
    /// A server that ended an idle connection has said so, or closed the socket: found out before
    /// a statement is sent, it can go to another connection safely.
    func isAlive() -> Bool {
        while wait(for: Int16(POLLIN), until: .now) {
            guard unsafe PQconsumeInput(raw) == 1 else { return false }
            _ = unsafe PQisBusy(raw)  // parses what came
            if unsafe PQstatus(raw) == CONNECTION_BAD || notices.farewell != nil { return false }
        }
        return unsafe PQstatus(raw) == CONNECTION_OK && notices.farewell == nil
    }

    // MARK: Sending

    /// Queues a prepared statement; false when libpq would not.
    func send(prepared name: String, _ parameters: Parameters) -> Bool {
        unsafe parameters.withPointers { count, values, lengths, formats in
            unsafe PQsendQueryPrepared(raw, name, count, values, lengths, formats, 1) == 1
        }
    }

    /// Queues a statement that was not prepared.
    func send(_ sql: String, types: [UInt32], _ parameters: Parameters) -> Bool {
        unsafe parameters.withPointers { count, values, lengths, formats in
            unsafe PQsendQueryParams(raw, sql, count, types, values, lengths, formats, 1) == 1
        }
    }

    /// Queues a script of several statements.
    func send(script: String) -> Bool { unsafe PQsendQuery(raw, script) == 1 }

    func send(preparing name: String, _ sql: String, types: [UInt32]) -> Bool {
        unsafe PQsendPrepare(raw, name, sql, Int32(types.count), types) == 1
    }

    func send(describing name: String) -> Bool { unsafe PQsendDescribePrepared(raw, name) == 1 }

    func beginPipeline() -> Bool { unsafe PQenterPipelineMode(raw) == 1 }

    func syncPipeline() -> Bool { unsafe PQpipelineSync(raw) == 1 }

    func endPipeline() -> Bool { unsafe PQexitPipelineMode(raw) == 1 }

    // MARK: Receiving

    /// Waits for the next result; nil after the last one of a statement.
    func next(until deadline: ContinuousClock.Instant) throws(Trouble) -> QueryResult? {
        while unsafe PQisBusy(raw) == 1 {
            let unsent = unsafe PQflush(raw)
            if unsent < 0 { throw .lost(errorMessage) }
            let events = unsent == 1 ? POLLIN | POLLOUT : POLLIN
            guard wait(for: Int16(events), until: deadline) else { throw .overdue }
            guard unsafe PQconsumeInput(raw) == 1 else { throw .lost(errorMessage) }
        }
        return unsafe PQgetResult(raw).map { unsafe QueryResult($0) }
    }

    /// Waits for a notification (LISTEN); the channel's name, or nil at the deadline.
    func notification(until deadline: ContinuousClock.Instant) throws(Trouble) -> String? {
        while true {
            if let notification = unsafe PQnotifies(raw) {
                defer { unsafe PQfreemem(notification) }
                return unsafe String(cString: notification.pointee.relname)
            }
            guard wait(for: Int16(POLLIN), until: deadline) else { return nil }
            guard unsafe PQconsumeInput(raw) == 1 else { throw .lost(errorMessage) }
            if let farewell = notices.farewell { throw .lost(farewell.message) }
        }
    }

    /// Waits for the socket; false at the deadline.
    private func wait(for events: Int16, until deadline: ContinuousClock.Instant) -> Bool {
        while true {
            let left = deadline - .now
            // Rounded up, so that the loop does not spin in the last millisecond.
            let milliseconds = left > .zero ? Int32(clamping: left / .milliseconds(1) + 1) : 0
            var descriptor = unsafe pollfd(fd: PQsocket(raw), events: events, revents: 0)
            let ready = unsafe poll(&descriptor, 1, milliseconds)
            if ready > 0 { return true }
            if ready == 0, milliseconds == 0 || ContinuousClock.now >= deadline { return false }
            if ready < 0, errno != EINTR { return true }  // libpq will say what is wrong
        }
    }
}

extension Int32 {
    init(clamping value: Double) {
        self = value < Double(Int32.max) ? Int32(value) : .max
    }
}

/// Gives a null-terminated list of C strings to a closure.
private func withCStrings<T>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> T
) -> T {
    let copies = unsafe strings.map { unsafe strdup($0) }
    defer { unsafe copies.forEach { unsafe free($0) } }
    let pointers = unsafe copies.map { unsafe UnsafePointer<CChar>($0) } + [nil]
    return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
}
