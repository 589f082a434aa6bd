import NIOCore
import NIOHTTP1

/// What all connections of one listener have in common.
struct ConnectionSetup: Sendable {
    let limits: HTTPLimits
    let proxies: TrustedProxies
    let recorder: AccessRecorder
    /// What answers programs; what it does not have goes to the application.
    let api: (any API)?
    let isSecure: Bool
    /// Whether every answer tells browsers to come by https alone.
    let saysHTTPSOnly: Bool

    /// For a year (RFC 6797 §6.1).
    private static let httpsOnly = (name: "Strict-Transport-Security", value: "max-age=31536000")

    /// Fields that every answer ends with.
    var lastFields: [(name: String, value: String)] { saysHTTPSOnly ? [Self.httpsOnly] : [] }
}

/// Who is at the other end of a connection.
struct Peer {
    /// The address of the socket; nil where it has none.
    let text: String?
    private let proxies: TrustedProxies
    private let address: ClientAddress
    /// Whether its word about others is believed.
    private let isTrusted: Bool

    init(_ text: String?, _ proxies: TrustedProxies) {
        self.text = text
        self.proxies = proxies
        address = ClientAddress(text ?? "unknown")
        isTrusted = text.flatMap { IPAddress($0) }.map(proxies.contains) ?? false
    }

    /// Who sent a request.
    func client(_ headers: HTTPHeaders) -> ClientAddress {
        guard isTrusted, let text else { return address }
        return proxies.clientAddress(
            peer: text, forwarded: headers["forwarded"],
            xForwardedFor: headers["x-forwarded-for"])
    }
}

/// What the answers of one connection begin with, beside what is the same for all.
struct AnswerFields {
    private var second: Int64 = 0
    private var made = ""
    private var requestIDs = RequestID.Sequence()

    /// The caller's own request ID if it may be used, else a new one.
    mutating func requestID(_ proposed: String?) -> String {
        if let proposed, RequestID.isAcceptable(proposed) { return proposed }
        return requestIDs.next()
    }

    /// The present second as a `Date` field (RFC 9110 §5.6.7), made once a second.
    var date: String {
        mutating get {
            let now = UTCTime.now()
            if now.milliseconds / 1000 != second || made.isEmpty {
                second = now.milliseconds / 1000
                made = now.httpDate
            }
            return made
        }
    }
}
