/// Why a statement or a connection failed, sorted by what the caller may conclude from it.
package enum PostgresError: Error, Sendable, CustomStringConvertible {
    /// Nothing happened in the database: no connection in time, not sent, or rolled back for want
    /// of a resource. It may be asked again.
    case unavailable(String)
    /// The statement was sent and not cleanly acknowledged: it may have happened or not.
    case outcomeUnknown(String)
    /// The server said no; nothing happened.
    case refused(sqlState: String, message: String, constraint: String?)
    /// The answer does not fit the Swift type: a defect. What the statement did stands.
    case undecodable(String)

    package var description: String {
        switch self {
        case .unavailable(let reason): "the database is unavailable: \(reason)"
        case .outcomeUnknown(let reason): "the outcome is unknown: \(reason)"
        case .refused(let sqlState, let message, let constraint):
            "the database refused (\(sqlState)"
                + (constraint.map { ", constraint \($0)" } ?? "") + "): \(message)"
        case .undecodable(let reason): "the answer of the database does not fit: \(reason)"
        }
    }

    /// The value of the label `kind` in metrics.
    var kind: String {
        switch self {
        case .unavailable: "unavailable"
        case .outcomeUnknown: "outcome_unknown"
        case .refused: "refused"
        case .undecodable: "undecodable"
        }
    }

    static let kinds = ["unavailable", "outcome_unknown", "refused", "undecodable"]
}

/// What the server said about a statement or a connection.
struct ServerMessage: Sendable, Equatable {
    var severity: String
    var sqlState: String
    var message: String
    var constraint: String?

    /// Whether the server ends the connection after it.
    var isFatal: Bool { severity == "FATAL" || severity == "PANIC" }

    /// Whether it says that a commit may not be what it seems.
    ///
    /// A wait for the synchronous standby that is cancelled ends in a *successful* COMMIT with the
    /// warning 01000 "already committed locally, but might not have been replicated"; one that is
    /// ended by a shutdown, with the warning 57P01.
    var castsDoubtOnCommit: Bool {
        severity == "WARNING" && (sqlState == "01000" || sqlState == "57P01")
    }
}

extension PostgresError {
    /// The error for a refusal of a statement that was sent.
    ///
    /// An ERROR is a transaction rolled back, so it is certain that nothing happened. A FATAL is
    /// the end of the connection, and is taken for an unknown outcome: a server that is shutting
    /// down may say it at any point.
    init(_ refusal: ServerMessage) {
        if refusal.isFatal {
            self = .outcomeUnknown("\(refusal.message) (\(refusal.sqlState))")
        } else if SQLState.isUnavailability(refusal.sqlState) {
            self = .unavailable("\(refusal.message) (\(refusal.sqlState))")
        } else {
            self = .refused(
                sqlState: refusal.sqlState, message: refusal.message,
                constraint: refusal.constraint)
        }
    }
}

/// The SQLSTATE codes that decide what to do (PostgreSQL, appendix A).
enum SQLState {
    /// Whether the server lacks something now and may have it later.
    static func isUnavailability(_ state: String) -> Bool {
        switch state {
        case "25006",  // read_only_sql_transaction: this is not the primary any more
            "55P03",  // lock_not_available: lock_timeout
            "57014",  // query_canceled: statement_timeout
            "57P01", "57P02", "57P03", "57P04", "57P05":  // shutdown, crash, start
            true
        default:
            isRollbackToRepeat(state) || isStale(state)
                // connection, resources, and the system below (disk)
                || state.hasPrefix("08") || state.hasPrefix("53") || state.hasPrefix("58")
        }
    }

    /// Whether the transaction lost a race and is to be tried again.
    static func isRollbackToRepeat(_ state: String) -> Bool {
        state == "40001" || state == "40P01"
    }

    /// Whether the connection's prepared statements no longer fit the schema, or are not there
    /// (a pooler gave the connection another server), or the server is no longer the primary.
    static func isStale(_ state: String) -> Bool {
        state == "26000" || state == "25006" || state == "0A000"
    }
}
