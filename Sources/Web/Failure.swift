import HTTPTypes
import Hummingbird
import OAuth
import Serving
import Storage

/// An error as it is answered: the one place that knows which error has which status and fields.
struct Failure {
    let status: HTTPResponse.Status
    /// The protocol's word for it.
    let code: String
    let description: String
    var fields: [(name: String, value: String)] = []
    /// What people are told, where more is known than the status says.
    var reason: OAuthError.Reason?
    var retrySeconds: Int?
    /// More passwords came at the same time than are examined.
    var isCrowded = false

    static let nothingHere = Failure(
        status: .notFound, code: "not_found", description: "there is nothing at this path")

    static func noSuchMethod(_ method: String, _ allowed: [String]) -> Failure {
        Failure(
            status: .methodNotAllowed, code: "invalid_request",
            description: "this path does not have the method \(method)",
            fields: [("Allow", allowed.joined(separator: ", "))])
    }

    /// `{"error":…,"error_description":…}` (RFC 6749 §5.2).
    var json: [UInt8] {
        var json = JSONObject()
        json.set("error", code)
        json.set("error_description", description)
        return json.bytes
    }

    var answer: APIAnswer { .json(json[...], status: status, fields: fields) }
}

extension Failure {
    /// - Parameter notes: gets the outcome, and what the caller is not told.
    init(_ error: any Error, _ notes: inout RequestNotes) {
        switch error {
        case let error as OAuthError:
            notes.outcome = error.code.rawValue
            notes.error = error.detail ?? error.description
            self.init(
                status: Self.status(of: error), code: error.code.rawValue,
                description: error.description, fields: Self.fields(for: error),
                reason: error.reason, retrySeconds: error.retryAfterSeconds.map { Int($0) })
        case StoreError.unavailable(let reason):
            notes.outcome = "unavailable"
            notes.error = StoreError.unavailable(reason).description
            self.init(
                status: .serviceUnavailable, code: "temporarily_unavailable",
                description: "the database cannot answer for certain; ask again",
                fields: [("Retry-After", "1")], retrySeconds: 1)
        case let refusal as PasswordQueue.Refusal:
            notes.outcome = "crowded"
            notes.error = "too many passwords wait: \(refusal)"
            self.init(
                status: refusal == .full ? .serviceUnavailable : .tooManyRequests,
                code: refusal == .full ? "temporarily_unavailable" : "too_many_requests",
                description: "too many passwords wait to be examined; ask again",
                fields: [("Retry-After", "1")], retrySeconds: 1, isCrowded: true)
        case let refusal as HTTPRefusal:
            notes.outcome = "refused"
            self.init(
                status: refusal.status, code: "invalid_request", description: refusal.description)
        case let error as any HTTPResponseError:
            // Hummingbird's own: no such path, or a body that it would not read.
            notes.outcome = "refused"
            self.init(
                status: error.status,
                code: error.status == .notFound ? "not_found" : "invalid_request",
                description: error.status.reasonPhrase.lowercased())
        default:
            notes.error = "\(error)"
            notes.outcome = "server_error"
            self.init(
                status: .internalServerError, code: "server_error",
                description: "something went wrong; the log has it by the request id")
        }
    }

    private static func status(of error: OAuthError) -> HTTPResponse.Status {
        switch error.code {
        case .invalidClient, .invalidToken: .unauthorized
        case .insufficientScope: .forbidden
        case .tooManyRequests: .tooManyRequests
        case .invalidRequest, .invalidGrant, .unauthorizedClient, .unsupportedGrantType,
            .invalidScope, .invalidTarget, .accessDenied, .unsupportedResponseType,
            .loginRequired, .consentRequired, .requestNotSupported, .requestURINotSupported:
            .badRequest
        }
    }

    private static func fields(for error: OAuthError) -> [(name: String, value: String)] {
        switch error.code {
        case .invalidClient: [("WWW-Authenticate", #"Basic realm="doornail", charset="UTF-8""#)]
        case .invalidToken, .insufficientScope:
            [("WWW-Authenticate", #"Bearer realm="doornail", error="\#(error.code.rawValue)""#)]
        case .tooManyRequests: [("Retry-After", String(error.retryAfterSeconds ?? 1))]
        default: []
        }
    }
}

/// A refusal that HTTP has a status for and OAuth has none.
struct HTTPRefusal: Error {
    let status: HTTPResponse.Status
    let description: String

    init(_ status: HTTPResponse.Status, _ description: String) {
        self.status = status
        self.description = description
    }

    static let notAForm = HTTPRefusal(
        .unsupportedMediaType, "the Content-Type must be application/x-www-form-urlencoded")
}
