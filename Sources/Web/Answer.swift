import HTTPTypes
import Hummingbird
import OAuth

/// How answers look: JSON that nobody may keep (RFC 6749 §5.1).
enum Answer {
    /// A JSON answer, never to be cached.
    static func json(
        _ text: String, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
    ) -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(
            status: status, headers: uncached(headers),
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// An answer without a body.
    static func empty(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
    ) -> Response {
        Response(status: status, headers: uncached(headers))
    }

    /// `{"error":…,"error_description":…}` (RFC 6749 §5.2).
    static func error(
        _ code: String, _ description: String, status: HTTPResponse.Status,
        headers: HTTPFields = [:]
    ) -> Response {
        var json = JSONObject()
        json.set("error", code)
        json.set("error_description", description)
        return self.json(json.encoded, status: status, headers: headers)
    }

    private static func uncached(_ headers: HTTPFields) -> HTTPFields {
        var headers = headers
        headers[.cacheControl] = "no-store"
        if let pragma = HTTPField.Name("Pragma") { headers[pragma] = "no-cache" }
        return headers
    }
}
