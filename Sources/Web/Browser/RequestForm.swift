import Hummingbird
import NIOCore
import OAuth
import Serving

/// The form that a page's request brings, within the limits.
enum RequestForm {
    /// Reads it: from the body of a POST, else from the query.
    static func read(_ request: Request) async throws -> Form {
        guard request.method == .post else {
            return try Form(parsing: (request.uri.query ?? "").utf8)
        }
        // An empty body may have no type.
        let isEmpty = request.headers[.contentType] == nil && request.headers[.contentLength] == "0"
        if !isEmpty { try requireType(of: request) }
        return try Form(parsing: await body(of: request).readableBytesView)
    }

    static func requireType(of request: Request) throws(HTTPRefusal) {
        guard Form.isForm(contentType: request.headers[.contentType]) else {
            throw HTTPRefusal.notAForm
        }
    }

    static func body(of request: Request) async throws -> ByteBuffer {
        do {
            return try await request.body.collect(upTo: HTTPLimits.bodyBytes)
        } catch is NIOTooManyBytesError {
            throw HTTPRefusal(
                .contentTooLarge, "the body is larger than \(HTTPLimits.bodyBytes) bytes")
        }
    }
}
