package import HTTPTypes

/// A request that is refused before it reaches a route, because of how it was sent.
///
/// All of them end the connection: after a broken message nobody knows where the next one begins,
/// and guessing is how requests are smuggled (RFC 9112 §11.2).
package enum Rejection: String, Sendable, Equatable, CaseIterable, Error {
    case malformed
    case badHost = "bad_host"
    case badTarget = "bad_target"
    case headerTooLarge = "header_too_large"
    case bodyTooLarge = "body_too_large"
    case tooSlow = "too_slow"
    case unknownTransferCoding = "unknown_transfer_coding"

    package var status: HTTPResponse.Status {
        switch self {
        case .malformed, .badHost, .badTarget: .badRequest
        case .headerTooLarge: .requestHeaderFieldsTooLarge
        case .bodyTooLarge: .contentTooLarge
        case .tooSlow: .requestTimeout
        case .unknownTransferCoding: .notImplemented
        }
    }

    /// Text for the client; only characters that RFC 6749 §5.2 allows in `error_description`.
    package var explanation: String {
        switch self {
        case .malformed: "the request is not well-formed HTTP/1.1"
        case .badHost: "the request needs exactly one valid Host header"
        case .badTarget: "the request target is not valid"
        case .headerTooLarge: "the request header is too large"
        case .bodyTooLarge: "the request body is too large"
        case .tooSlow: "the request took too long to arrive"
        case .unknownTransferCoding: "of the transfer codings only chunked is understood"
        }
    }

    /// The whole body, written by hand: every character of it is fixed above.
    package var json: String {
        "{\"error\":\"invalid_request\",\"error_description\":\"\(explanation)\"}"
    }
}
