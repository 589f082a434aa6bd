import Synchronization

/// What an endpoint tells the access log about its request. Nothing secret belongs in it.
package struct RequestNotes: Sendable {
    package var clientID: String?
    /// The login that the request belongs to.
    package var sid: String?
    /// The grant that the request is about.
    package var grant: String?
    /// How the request went, in one word of a small vocabulary, since it labels a metric; nil: told
    /// by the status, `ok`, `refused` or `failed`.
    package var outcome: String?
    /// What went wrong, in more words; for the log alone.
    package var error: String?

    package init() {}
}

/// The notes of a page's request. A class, since the context of such a request is copied on its way
/// inwards and the line is written on the way out.
@dynamicMemberLookup
package final class RequestLog: Sendable {
    private let values = Mutex(RequestNotes())

    package init() {}

    package var notes: RequestNotes { values.withLock { $0 } }

    package func update<Result>(_ change: (inout RequestNotes) -> sending Result) -> sending Result
    {
        values.withLock { change(&$0) }
    }

    package subscript<Value: Sendable>(
        dynamicMember field: any WritableKeyPath<RequestNotes, Value> & Sendable
    ) -> Value {
        get { values.withLock { $0[keyPath: field] } }
        set { values.withLock { $0[keyPath: field] = newValue } }
    }
}
