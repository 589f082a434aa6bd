import CLibPQ
import Logging

/// Hears what the server says beside its answers, for one connection.
///
/// It is used on the connection's thread alone.
final class Notices {
    private let logger: Logger?
    /// Whether a warning since the last `reset()` means that a commit is in doubt.
    private(set) var doubt: ServerMessage?
    /// The server's word that it ends the connection.
    private(set) var farewell: ServerMessage?

    init(logger: Logger?) {
        self.logger = logger
    }

    /// Forgets the warnings that belonged to the statement before.
    func reset() {
        doubt = nil
    }

    func hear(_ message: ServerMessage) {
        if message.castsDoubtOnCommit, doubt == nil, !Trap.warning01000.isPlanted {
            doubt = message
        }
        if message.isFatal { farewell = message }
        logger?.log(
            level: message.castsDoubtOnCommit ? .warning : .debug, "PostgreSQL notice",
            metadata: [
                "severity": "\(message.severity)", "sqlstate": "\(message.sqlState)",
                "message": "\(message.message)",
            ])
    }

    /// Has libpq report to this object, which has to outlive the connection.
    func attach(to connection: OpaquePointer) {
        unsafe PQsetNoticeReceiver(
            connection,
            { argument, result in
                guard let argument = unsafe argument, let result = unsafe result else { return }
                unsafe Unmanaged<Notices>.fromOpaque(argument).takeUnretainedValue()
                    .hear(ServerMessage(result))
            }, unsafe Unmanaged.passUnretained(self).toOpaque())
    }
}
