import HTTPTypes
import Hummingbird
import OAuth

/// How answers look: JSON that nobody may keep (RFC 6749 §5.1).
enum Answer {
    /// A JSON answer, never to be cached.
    static func json(
        _ text: String, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
    ) -> Response {
        json(ByteBuffer(string: text), status: status, headers: headers)
    }

    static func json(
        _ body: ByteBuffer, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
    ) -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(
            status: status, headers: uncached(headers), body: ResponseBody(byteBuffer: body))
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

    /// A page; its headers confine it.
    static func page(_ page: RenderedPage, status: HTTPResponse.Status = .ok) -> Response {
        var headers: HTTPFields = [:]
        for (name, value) in page.headers {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        return Response(
            status: status, headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(string: page.html)))
    }

    /// Sends a browser on with GET, whatever it came with (RFC 9700 §4.12).
    static func redirect(to location: String) -> Response {
        var headers = uncached([.location: location])
        if let referrer = HTTPField.Name("Referrer-Policy") { headers[referrer] = "no-referrer" }
        return Response(status: .seeOther, headers: headers)
    }

    private static func uncached(_ headers: HTTPFields) -> HTTPFields {
        var headers = headers
        headers[.cacheControl] = "no-store"
        if let pragma = HTTPField.Name("Pragma") { headers[pragma] = "no-cache" }
        return headers
    }
}
