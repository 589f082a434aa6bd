package import Hummingbird
import OAuth
package import Serving

/// What the middleware and the endpoint know of one request.
package struct DoornailContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// The address at the other end of the socket: a proxy's, perhaps.
    package let peerAddress: String?
    /// The client itself, as far as trusted proxies tell; set by ``AccessLogMiddleware``.
    package var clientAddress: ClientAddress
    /// When the request had arrived as a whole; its deadlines count from here.
    package let arrivedAt: ContinuousClock.Instant
    /// Set by ``RequestIDMiddleware``.
    package var requestID = ""

    /// When the request must have its answer from the database, in all.
    var deadline: ContinuousClock.Instant { arrivedAt + Limits.storeDeadline }
    /// What the endpoint wants the access log to say.
    package let log = RequestLog()
    /// What the app asked pages to be in.
    package let language = RequestLanguage()

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        peerAddress = source.channel.remoteAddress?.ipAddress
        clientAddress = ClientAddress(peerAddress ?? "unknown")
        arrivedAt = .now
    }

    /// Larger bodies never get here; see ``HTTPLimits``.
    package var maxUploadSize: Int { HTTPLimits.bodyBytes }

    /// Hides Hummingbird's, which traps where the logger lacks its own key for it.
    package var id: String { requestID }
}
