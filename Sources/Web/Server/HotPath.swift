import Cluster
import Logging
import NIOCore
import NIOHTTP1
import OAuth
import Storage
import Synchronization

/// Answers on the event loop where nothing has to be waited for: the caller is one that authenticated
/// before and is remembered under a valid lease; it asks about a token that is remembered alive, or for
/// a token of its own; and the request has the shape that clients give it. Refresh tokens of all
/// connections are used together, and where nothing is remembered (`DOORNAIL_CACHE=0`), introspections
/// are read together. Everything else is passed on untouched to the endpoints, so that there is one place
/// that says no.
///
/// What is written is, byte by byte, what the endpoint would write; tests compare them.
package final class HotPath: Sendable {
    private let node: Node
    private let issuer: String
    private let tokens: TokenEndpoint
    private let proxies: TrustedProxies
    /// What ends every header.
    private let ending: String
    private let recorder: AccessRecorder
    private let introspection: Route
    private let issuing: Route
    /// Which secret a header that was right once had, by the header's digest: so that it need not be
    /// taken apart again. The client is looked up anew, and the secret compared, each time.
    private let callers = Mutex<[[UInt8]: Caller]>([:])
    private let refreshes = Questions<Refresh, Refreshed>(label: "refreshes")

    /// What is answered here, and how it is counted and logged.
    private struct Route: Sendable {
        let path: String
        let outcome: String
        /// What follows the length: the fields of this route alone, and the last one's name.
        let fields: StaticString
        let answered: AccessRecorder.Pair

        init(
            path: String, outcome: String, fields: StaticString, _ recorder: AccessRecorder
        ) {
            self.path = path
            self.outcome = outcome
            self.fields = fields
            answered = recorder.pair(endpoint: path, method: "POST", status: 200, outcome: outcome)
        }
    }

    fileprivate struct Caller: Sendable {
        let clientID: String
        let secretHash: [UInt8]
    }

    package init(_ services: Services, recorder: AccessRecorder) {
        node = services.node
        issuer = services.issuer.text
        tokens = TokenEndpoint(services)
        proxies = services.proxies
        ending =
            services.issuer.isSecure
            ? ConnectionHandler.httpsOnly.map { "\r\n\($0): \($1)" }.joined() + "\r\n\r\n"
            : "\r\n\r\n"
        self.recorder = recorder
        let base = services.issuer.path
        introspection = Route(
            path: Web.Route.introspect.path(for: base), outcome: "active",
            fields: "\r\nX-Request-ID: ", recorder)
        // Pages of any origin may ask for tokens (`MethodMiddleware`).
        issuing = Route(
            path: Web.Route.token.path(for: base), outcome: "ok",
            fields: "\r\nAccess-Control-Allow-Origin: *\r\nX-Request-ID: ", recorder)
    }

    /// What the header of a request says that may be answered here. The same bytes say the same again,
    /// so that they need not be parsed; who the caller is now is looked up each time.
    struct Header: Sendable {
        private let parsed: HTTPRequestHead
        private let parsedRequestID: String?
        /// What this request has in place of what was parsed.
        private var labels: [(label: Repetition.Label, value: String)] = []
        fileprivate let isIntrospection: Bool
        fileprivate let caller: Caller

        fileprivate init(
            _ head: HTTPRequestHead, requestID: String?, isIntrospection: Bool, caller: Caller
        ) {
            parsed = head
            parsedRequestID = requestID
            self.isIntrospection = isIntrospection
            self.caller = caller
        }

        /// The same with other labels.
        func labelled(_ labels: [(Repetition.Label, String)]) -> Header {
            var header = self
            header.labels = labels
            return header
        }

        /// The header as the parser would read it.
        var head: HTTPRequestHead {
            var head = parsed
            for (label, value) in labels {
                head.headers.replaceOrAdd(name: label.rawValue, value: value)
            }
            return head
        }

        fileprivate var requestID: String? {
            labels.first { $0.label == .requestID }?.value ?? parsedRequestID
        }
    }

    /// The body of an answer, and what is counted and logged of it.
    struct Content: Sendable {
        fileprivate let bytes: ArraySlice<UInt8>
        fileprivate let clientID: String
        fileprivate var grant: Identifier?
        fileprivate let arrivedAt: ContinuousClock.Instant
    }

    /// What a header says; nil where the endpoint has to see to it.
    func header(_ head: HTTPRequestHead) -> Header? {
        let isIntrospection = head.uri == introspection.path
        guard head.method == .POST, isIntrospection || head.uri == issuing.path,
            head.version == .http1_1, let request = Request(head.headers),
            let caller = caller(request.authorization)
        else { return nil }
        return Header(
            head, requestID: request.requestID, isIntrospection: isIntrospection, caller: caller)
    }

    /// The answer from memory; nil where there is none.
    func content(_ header: Header, _ body: ByteBuffer) -> Content? {
        let arrivedAt = ContinuousClock.now
        guard let (client, read, time) = caller(of: header, at: arrivedAt),
            let bytes = header.isIntrospection
                ? introspect(body, client.client, at: time)
                : token(body, client, read.unretiredKeyIDs)
        else { return nil }
        return Content(bytes: bytes, clientID: client.client.clientID, arrivedAt: arrivedAt)
    }

    /// The client that a header is of, as it is remembered, and the database's time.
    private func caller(
        of header: Header, at now: ContinuousClock.Instant
    ) -> (AuthenticatedClient, ClientRead, UnixTime)? {
        // The lease first: what is remembered is looked at under it.
        guard let time = node.gate.held(at: now)?.time(at: now),
            let read = node.cache.client(header.caller.clientID),
            let client = authenticated(header.caller, read, at: time)
        else { return nil }
        return (client, read, time)
    }

    /// Asks the database: about a token where nothing is remembered, and for every refresh.
    /// - Parameter answered: is called once, on any thread; with nil where the endpoint has to see to it.
    /// - Returns: whether it is going to be called.
    func ask(
        _ header: Header, _ body: ByteBuffer, answered: @escaping @Sendable (Content?) -> Void
    ) -> Bool {
        let arrivedAt = ContinuousClock.now
        return header.isIntrospection
            ? introspect(header, body, arrivedAt, answered)
            : refresh(header, body, arrivedAt, answered)
    }

    private func introspect(
        _ header: Header, _ body: ByteBuffer, _ arrivedAt: ContinuousClock.Instant,
        _ answered: @escaping @Sendable (Content?) -> Void
    ) -> Bool {
        guard !node.cache.isEnabled, let text = Self.token(in: body),
            let token = try? node.open(String(decoding: text, as: UTF8.self)),
            !token.isRefreshToken
        else { return false }
        let question = TokenQuestion(
            clientID: header.caller.clientID, token: token, issuer: issuer)
        return node.questions.ask(question, askedAt: arrivedAt) { answer in
            guard let answer,
                let client = self.authenticated(
                    header.caller, answer.caller, at: answer.caller.readAt),
                Introspection.mayKnow(
                    client.client, client: answer.known.client, isRefreshToken: false,
                    isFor: answer.known.isFor)
            else { return answered(nil) }
            answered(
                Content(
                    bytes: answer.known.body, clientID: client.client.clientID,
                    arrivedAt: arrivedAt))
        }
    }

    private func refresh(
        _ header: Header, _ body: ByteBuffer, _ arrivedAt: ContinuousClock.Instant,
        _ answered: @escaping @Sendable (Content?) -> Void
    ) -> Bool {
        guard let (client, read, _) = caller(of: header, at: arrivedAt),
            let form = try? Form(parsing: body.readableBytesView),
            let refresh = tokens.refresh(form, client, unretired: read.unretiredKeyIDs)
        else { return false }
        return refreshes.ask(refresh, askedAt: arrivedAt) { refreshed in
            answered(
                refreshed.map {
                    Content(
                        bytes: $0.body[...], clientID: client.client.clientID, grant: $0.grant,
                        arrivedAt: arrivedAt)
                })
        }
    }

    /// Uses the refresh tokens of all connections together, until the task is cancelled.
    package func run() async {
        await refreshes.run(batches: 2) { await self.tokens.refresh($0, isUsed: $1) }
    }

    /// The whole answer, which is counted and logged.
    /// - Parameter peer: the address at the other end of the socket; it is asked for only if it is logged.
    func answer(
        _ content: Content, to header: Header, fields: inout AnswerFields, logger: Logger,
        peer: () -> String?
    ) -> ByteBuffer {
        let requestID = fields.requestID(header.requestID)
        let route = header.isIntrospection ? introspection : issuing
        let duration = content.arrivedAt.duration(to: .now)
        recorder.answered(route.answered, after: duration, logger: logger) {
            let headers = header.head.headers
            let address = peer().map { address in
                proxies.clientAddress(
                    peer: address, forwarded: headers["Forwarded"],
                    xForwardedFor: headers["X-Forwarded-For"]
                ).description
            }
            return AccessRecord(
                method: "POST", path: route.path, endpoint: route.path, status: 200,
                duration: duration, address: address ?? "unknown", requestID: requestID,
                clientID: content.clientID, grant: content.grant?.description,
                outcome: route.outcome, bytes: content.bytes.count,
                traceParent: headers.first(name: "traceparent"),
                traceState: headers.contains(name: "tracestate")
                    ? headers["tracestate"].joined(separator: ", ") : nil)
        }
        var answer = ByteBuffer()
        answer.reserveCapacity(content.bytes.count + 384)
        answer.writeStaticString(Self.beginning)
        answer.writeString(String(content.bytes.count))
        answer.writeStaticString(route.fields)
        answer.writeString(requestID)
        answer.writeStaticString("\r\nDate: ")
        answer.writeString(fields.date)
        answer.writeString(ending)
        answer.writeBytes(content.bytes)
        return answer
    }

    private func introspect(
        _ body: ByteBuffer, _ client: Client, at time: UnixTime
    ) -> ArraySlice<UInt8>? {
        guard let text = Self.token(in: body), let known = node.remembered(text, at: time),
            Introspection.mayKnow(
                client, client: known.client, isRefreshToken: false, isFor: known.isFor)
        else { return nil }
        return known.body
    }

    /// A token of a client's own; nil for every other grant, and for what is refused.
    private func token(
        _ body: ByteBuffer, _ client: AuthenticatedClient, _ unretired: Set<UInt8>
    ) -> ArraySlice<UInt8>? {
        let view = body.readableBytesView
        let rest = view.dropFirst(Self.ownToken.count)
        // The scope alone may follow, and no credentials.
        guard view.starts(with: Self.ownToken),
            rest.isEmpty
                || rest.starts(with: Self.scope)
                    && !rest.dropFirst().contains(UInt8(ascii: "&")),
            let form = try? Form(parsing: view),
            let text = try? tokens.clientCredentials(form, client, unretired: unretired)
        else { return nil }
        return Array(text.utf8)[...]
    }

    private static let beginning: StaticString = """
        HTTP/1.1 200 OK\r
        Content-Type: application/json\r
        Cache-Control: no-store\r
        Pragma: no-cache\r
        Content-Length:\u{20}
        """

    /// What matters of a request's headers; nil where anything is unusual.
    fileprivate struct Request: Sendable {
        let authorization: String
        var requestID: String?

        init?(_ headers: HTTPHeaders) {
            var isForm = false
            var presented: String?
            for (name, value) in headers {
                switch name.utf8.count {
                case 6 where name.lowercased() == "origin": return nil
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

    /// The token of a form `token=…`, with or without a hint; nil for every other form. It may be no
    /// token at all: only one that is equal to what is remembered is answered.
    private static func token(in body: ByteBuffer) -> [UInt8]? {
        guard var text = body.getBytes(at: body.readerIndex, length: body.readableBytes),
            text.starts(with: parameter)
        else { return nil }
        if let end = text.firstIndex(of: UInt8(ascii: "&")) {
            guard text[end...].elementsEqual(hint) else { return nil }
            text.removeSubrange(end...)
        }
        text.removeSubrange(..<parameter.count)
        return text
    }

    private static let parameter = Array("token=".utf8)
    private static let hint = Array("&token_type_hint=access_token".utf8)
    private static let ownToken = Array("grant_type=client_credentials".utf8)
    private static let scope = Array("&scope=".utf8)

    /// Who a header says that it is. Where clients are remembered, it is one that was right before.
    private func caller(_ authorization: String) -> Caller? {
        guard node.cache.isEnabled else { return Self.presented(authorization) }
        let key = ClientSecret.hash(Redacted(authorization))
        if let caller = callers.withLock({ $0[key] }) { return caller }
        guard let caller = Self.presented(authorization),
            let read = node.cache.client(caller.clientID),
            authenticated(caller, read, at: read.readAt) != nil
        else { return nil }
        callers.withLock { callers in
            if callers.count >= Limits.knownHeaders { callers = [:] }
            callers[key] = caller
        }
        return caller
    }

    private static func presented(_ authorization: String) -> Caller? {
        guard
            let presented = try? PresentedCredentials(
                authorization: [authorization], form: Form(parsing: "".utf8)),
            case .basic(let secret) = presented.presented, Client.isClientID(presented.clientID)
        else { return nil }
        return Caller(clientID: presented.clientID, secretHash: ClientSecret.hash(secret))
    }

    /// The client of a caller, as it was read; nil where the secret is not, or no more, its own.
    private func authenticated(
        _ caller: Caller, _ read: ClientRead, at time: UnixTime
    ) -> AuthenticatedClient? {
        read.client.flatMap {
            AuthenticatedClient.verify(
                basicSecretHash: caller.secretHash, client: $0, readAt: time)
        }
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
