import Cluster
import Logging
import NIOCore
import NIOHTTP1
import OAuth
import Storage
import Synchronization

/// Answers introspections on the event loop, where nothing has to be waited for: the caller is one that
/// authenticated before, and is remembered with its token under a valid lease, and the request has the
/// shape that clients give it. Everything else is passed on untouched to the endpoint
/// (`IntrospectEndpoint`), so that there is one place that says no.
///
/// What is written is, byte by byte, what the endpoint would write; tests compare them.
package final class HotPath: Sendable {
    private let node: Node
    private let path: String
    private let recorder: AccessRecorder
    private let proxies: TrustedProxies
    private let answered: AccessRecorder.Pair
    /// Which secret a header that was right once had, by the header's digest: so that it need not be
    /// taken apart again. The client is looked up anew, and the secret compared, each time.
    private let callers = Mutex<[[UInt8]: Caller]>([:])

    private struct Caller: Sendable {
        let clientID: String
        let secretHash: [UInt8]
    }

    package init(_ services: Services, recorder: AccessRecorder) {
        node = services.node
        path = Route.introspect.path(for: services.issuer.path)
        proxies = services.proxies
        self.recorder = recorder
        answered = recorder.pair(endpoint: path, method: "POST", status: 200, outcome: "active")
    }

    /// The whole answer; nil where the endpoint has to see to it.
    /// - Parameter peer: the address at the other end of the socket; it is asked for only if it is logged.
    func answer(
        _ head: HTTPRequestHead, _ body: ByteBuffer?, date: inout HTTPDate, logger: Logger,
        peer: () -> String?
    ) -> ByteBuffer? {
        guard head.method == .POST, head.uri == path, head.version == .http1_1,
            let body, let request = Request(head.headers), let token = Self.token(in: body)
        else { return nil }
        let arrivedAt = ContinuousClock.now
        // The lease first: what is remembered is looked at under it.
        guard let time = node.gate.held(at: arrivedAt)?.time(at: arrivedAt),
            let client = caller(request.authorization),
            let (opened, known) = node.remembered(token, at: time),
            Introspection.mayKnow(
                client, client: known.client, audience: known.audience, opened)
        else { return nil }

        let requestID = RequestID.of(request.requestID)
        var answer = ByteBuffer()
        answer.reserveCapacity(known.body.count + 320)
        answer.writeStaticString(Self.beginning)
        answer.writeString(String(known.body.count))
        answer.writeStaticString("\r\nX-Request-ID: ")
        answer.writeString(requestID)
        answer.writeStaticString("\r\nDate: ")
        answer.writeString(date.text)
        answer.writeStaticString("\r\n\r\n")
        answer.writeBytes(known.body)
        recorder.answered(answered, after: arrivedAt.duration(to: .now), logger: logger) {
            let address = peer().map { address in
                proxies.clientAddress(
                    peer: address, forwarded: head.headers["Forwarded"],
                    xForwardedFor: head.headers["X-Forwarded-For"]
                ).description
            }
            return AccessRecord(
                method: "POST", path: path, endpoint: path, status: 200,
                duration: arrivedAt.duration(to: .now), address: address ?? "unknown",
                requestID: requestID, clientID: client.clientID, outcome: "active",
                bytes: known.body.count,
                traceID: request.traceParent.flatMap(TraceParent.traceID))
        }
        return answer
    }

    private static let beginning: StaticString = """
        HTTP/1.1 200 OK\r
        Content-Type: application/json\r
        Cache-Control: no-store\r
        Pragma: no-cache\r
        Content-Length:\u{20}
        """

    /// What matters of a request's headers; nil where anything is unusual.
    private struct Request {
        let authorization: String
        var requestID: String?
        var traceParent: String?

        init?(_ headers: HTTPHeaders) {
            var isForm = false
            var presented: String?
            for (name, value) in headers {
                switch name.utf8.count {
                case 6 where name.lowercased() == "origin": return nil
                case 11 where name.lowercased() == "traceparent":
                    if traceParent == nil { traceParent = value }
                case 12 where name.lowercased() == "content-type":
                    guard !isForm, value == "application/x-www-form-urlencoded" else { return nil }
                    isForm = true
                case 12 where name.lowercased() == "x-request-id":
                    guard requestID == nil else { return nil }
                    requestID = value
                case 13 where name.lowercased() == "authorization":
                    guard presented == nil else { return nil }
                    presented = value
                default: break
                }
            }
            guard isForm, let presented else { return nil }
            authorization = presented
        }
    }

    /// The token of a form `token=…`, with or without a hint; nil for every other form.
    private static func token(in body: ByteBuffer) -> String? {
        let view = body.readableBytesView
        guard view.starts(with: "token=dn_at_".utf8) else { return nil }
        let value = view.dropFirst(6)
        let end = value.firstIndex { !isPlain($0) } ?? value.endIndex
        guard
            end == value.endIndex
                || value[end...].elementsEqual("&token_type_hint=access_token".utf8)
        else { return nil }
        return String(decoding: value[..<end], as: UTF8.self)
    }

    /// Characters of a token, which forms leave as they are.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// The client that a header proves, as it is remembered now.
    private func caller(_ authorization: String) -> Client? {
        let key = ClientSecret.hash(Redacted(authorization))
        if let caller = callers.withLock({ $0[key] }) {
            guard let client = node.cache.client(caller.clientID)?.client, !client.isDisabled,
                client.method == .basic || client.method == .any,
                client.secretHashes.contains(where: { constantTimeEqual($0, caller.secretHash) })
            else {
                callers.withLock { $0[key] = nil }
                return nil
            }
            return client
        }
        guard
            let presented = try? PresentedCredentials(
                authorization: [authorization], form: Form(parsing: "".utf8)),
            case .basic(let secret) = presented.presented,
            let read = node.cache.client(presented.clientID),
            let verified = try? AuthenticatedClient.verify(
                presented, client: read.client, readAt: read.readAt)
        else { return nil }
        callers.withLock { callers in
            if callers.count >= Limits.cachedClients { callers = [:] }
            callers[key] = Caller(
                clientID: presented.clientID, secretHash: ClientSecret.hash(secret))
        }
        return verified.client
    }
}

/// The present second as a `Date` field (RFC 9110 §5.6.7), made once a second.
struct HTTPDate {
    private var second: Int64 = 0
    private var made = ""

    var text: String {
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
