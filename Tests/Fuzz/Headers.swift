import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import NIOHTTP1
import OAuth
@testable import Serving
@testable import Web

/// What stands in a request's header.
enum Headers {
    static func examine(cookie bytes: [UInt8]) {
        let lines = lines(bytes)
        var fields: HTTPFields = [:]
        for line in lines { fields.append(HTTPField(name: .cookie, value: line)) }
        let cookies = Cookies(
            Request(
                head: HTTPRequest(
                    method: .get, scheme: nil, authority: nil, path: "/", headerFields: fields),
                body: RequestBody(buffer: ByteBuffer())))
        for isSecure in [true, false] {
            _ = cookies[BrowserCookie.session.name(isSecure: isSecure)].flatMap(SessionCookie.init)
        }
        _ = cookies[lines[0]]
    }

    static func examine(address bytes: [UInt8]) {
        let lines = lines(bytes) + ["", "", ""]
        for line in lines {
            if let address = IPAddress(line) {
                precondition(IPAddress(address.description) == address)
            }
            _ = ClientAddress(line).throttleNetwork
            _ = try? ListenAddress(line)
            _ = ForwardedHeader.forwarded([line])
            _ = ForwardedHeader.xForwardedFor([line])
        }
        guard let proxies = try? TrustedProxies(lines[0]) else { return }
        for forwarded in [[], [lines[2]], [lines[2], lines[2]]] {
            _ = proxies.clientAddress(
                peer: lines[1], forwarded: forwarded, xForwardedFor: [lines[3]])
        }
    }

    static func examine(header bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        for language in Language.allCases {
            _ = DeviceName.words(for: text, in: language.words.device)
        }
        _ = Language.choose(uiLocales: text, acceptLanguage: nil)
        _ = Language.choose(uiLocales: nil, acceptLanguage: text)
        _ = TraceParent.traceID(text)
        _ = RequestID.of(text)
        _ = AccessText.path(text)
        _ = HTML(text)
        _ = Color(text)
        _ = RequestFraming.originForm(text)
        let lines = lines(bytes)
        var headers = HTTPHeaders([("Host", lines[0])])
        for line in lines.dropFirst() {
            let name = line.prefix { $0 != ":" }
            // The parser lets no other names through.
            guard name.utf8.allSatisfy({ $0 < 0x80 }) else { continue }
            headers.add(name: String(name), value: String(line.dropFirst(name.count + 1)))
        }
        let head = HTTPRequestHead(
            version: .http1_1, method: .POST, uri: lines[0], headers: headers)
        guard case .success = RequestFraming.of(head) else { return }
        let uri = URI(RequestFraming.originForm(lines[0]))
        _ = (uri.path, uri.query, uri.queryParameters, uri.host, uri.port)
    }
}
