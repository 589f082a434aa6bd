import HTTPTypes
import Hummingbird
import OAuth
import Serving

extension APIAnswer {
    /// A JSON text.
    static func json(
        _ bytes: ArraySlice<UInt8>, status: HTTPResponse.Status = .ok,
        fields: [(name: String, value: String)] = []
    ) -> APIAnswer {
        APIAnswer(status: status, contentType: "application/json", body: bytes, fields: fields)
    }

    static func json(
        _ text: String, status: HTTPResponse.Status = .ok,
        fields: [(name: String, value: String)] = []
    ) -> APIAnswer {
        json(Array(text.utf8)[...], status: status, fields: fields)
    }

    /// An answer without a body.
    static let empty = APIAnswer(status: .ok, contentType: nil, body: [])
}

/// How the answers look that browsers get.
enum Answer {
    /// A failure in JSON, for programs.
    static func error(_ failure: Failure) -> Response {
        var headers = uncached([.contentType: "application/json"])
        for (name, value) in failure.fields {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        return Response(
            status: failure.status, headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: failure.json)))
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
