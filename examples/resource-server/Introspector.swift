import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// Asks Doornail whether a token is alive (RFC 7662). No answer is kept: one that was, would go on
/// saying yes after a logout.
struct Introspector: Sendable {
    /// How long Doornail may take until its answer begins, and between any two parts of it.
    static let deadline = TimeAmount.seconds(3)
    private static let longestAnswer = 64 * 1024

    private let endpoint: String
    private let authorization: String
    private let http: HTTPClient

    init(issuer: String, clientID: String, clientSecret: String, http: HTTPClient) {
        endpoint = issuer + "/introspect"
        // RFC 6749 §2.3.1: both are form-encoded before they are joined.
        let pair = Self.encoded(clientID) + ":" + Self.encoded(clientSecret)
        authorization = "Basic " + Data(pair.utf8).base64EncodedString()
        self.http = http
    }

    /// What Doornail says about a token. Anything but a clear answer throws: it is neither yes nor
    /// no, so nobody is let in, and nobody is told that the token is dead.
    func ask(about token: String) async throws -> Introspection {
        var request = HTTPClientRequest(url: endpoint)
        request.method = .POST
        request.headers.add(name: "Authorization", value: authorization)
        request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
        request.headers.add(name: "Accept", value: "application/json")
        request.body = .bytes(ByteBuffer(string: "token=" + Self.encoded(token)))
        let response = try await http.execute(request, timeout: Self.deadline)
        let body = try await response.body.collect(upTo: Self.longestAnswer)
        guard response.status == .ok else { throw Unclear(status: Int(response.status.code)) }
        return try JSONDecoder().decode(Introspection.self, from: Data(body.readableBytesView))
    }

    /// Neither yes nor no: 503 while its database is away, 401 where our own secret is wrong.
    struct Unclear: Error {
        let status: Int
    }

    private static func encoded(_ text: String) -> String {
        let unreserved = CharacterSet(
            charactersIn:
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
    }
}

/// The answer to an introspection, as far as this API reads it.
struct Introspection: Decodable {
    let active: Bool
    let token_type: String?
    let sub: String?
    let scope: String?
    let aud: Audience?

    /// One audience, or a list of them (RFC 7519 §4.1.3).
    struct Audience: Decodable {
        let all: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            all = try (try? [container.decode(String.self)]) ?? container.decode([String].self)
        }
    }
}
