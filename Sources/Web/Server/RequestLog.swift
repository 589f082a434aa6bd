import Synchronization

/// What an endpoint tells the access log about its request.
///
/// A class, since a request's context is copied on its way inwards and the log line is written on
/// the way out. Nothing secret belongs in it.
package final class RequestLog: Sendable {
    private struct Values {
        var clientID: String?
        var sid: String?
        var grant: String?
        var outcome: String?
        var error: String?
    }

    private let values = Mutex(Values())

    package init() {}

    package var clientID: String? {
        get { values.withLock { $0.clientID } }
        set { values.withLock { $0.clientID = newValue } }
    }

    /// The login that the request belongs to.
    package var sid: String? {
        get { values.withLock { $0.sid } }
        set { values.withLock { $0.sid = newValue } }
    }

    /// The grant that the request is about.
    package var grant: String? {
        get { values.withLock { $0.grant } }
        set { values.withLock { $0.grant = newValue } }
    }

    /// How the request went, in one word of a small vocabulary, since it labels a metric; nil: told
    /// by the status, `ok`, `refused` or `failed`.
    package var outcome: String? {
        get { values.withLock { $0.outcome } }
        set { values.withLock { $0.outcome = newValue } }
    }

    /// What went wrong, in more words; for the log alone.
    package var error: String? {
        get { values.withLock { $0.error } }
        set { values.withLock { $0.error = newValue } }
    }
}
