package import HTTPTypes
package import NIOCore
package import NIOHTTP1

/// What programs ask a listener: requests that are answered by one function, without a framework between
/// it and the connection.
///
/// The function is called on the connection's event loop, and has answered when it returns to it unless
/// it had to wait for something: then it goes on elsewhere. Neither it nor its caller need to know.
package protocol API: Sendable {
    /// Whether what is at this path is its own: a target without its query.
    func has(_ path: String) -> Bool

    /// - Parameter notes: what the access log is to say of the request.
    func answer(_ request: APIRequest, _ notes: inout RequestNotes) async -> APIAnswer
}

/// A request that has arrived as a whole.
package struct APIRequest: Sendable {
    package let method: HTTPMethod
    package let path: String
    package let headers: HTTPHeaders
    /// Empty where there was none.
    package let body: ByteBuffer
    /// The name under which it is found in the logs.
    package let id: String
    /// Who sent it, as far as trusted proxies tell.
    package let client: ClientAddress
    package let arrivedAt: ContinuousClock.Instant

    package init(
        method: HTTPMethod, path: String, headers: HTTPHeaders, body: ByteBuffer, id: String,
        client: ClientAddress, arrivedAt: ContinuousClock.Instant
    ) {
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.id = id
        self.client = client
        self.arrivedAt = arrivedAt
    }
}

/// An answer that nobody may keep (RFC 6749 §5.1): the connection adds what every answer has.
package struct APIAnswer: Sendable {
    package let status: HTTPResponse.Status
    package let contentType: String?
    package let body: ArraySlice<UInt8>
    /// Fields that this answer has beside those of every answer.
    package var fields: [(name: String, value: String)]

    /// - Parameter contentType: nil: there is no body.
    package init(
        status: HTTPResponse.Status, contentType: String?, body: ArraySlice<UInt8>,
        fields: [(name: String, value: String)] = []
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.fields = fields
    }

    /// The answer as it is sent, header and body.
    /// - Parameters:
    ///   - last: fields that the connection adds
    func encoded(
        _ form: ConnectionState.AnswerForm, requestID: String, date: String,
        last: [(name: String, value: String)]
    ) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: body.count + 384)
        buffer.writeStaticString("HTTP/1.1 ")
        if status.code == 200 {
            buffer.writeStaticString("200 OK\r\n")
        } else {
            buffer.writeString("\(status.code) \(status.reasonPhrase)\r\n")
        }
        if let contentType {
            buffer.writeStaticString("Content-Type: ")
            buffer.writeString(contentType)
            buffer.writeStaticString("\r\n")
        }
        buffer.writeStaticString("Cache-Control: no-store\r\nPragma: no-cache\r\n")
        // An answer without content has no length either (RFC 9110 §8.6).
        if status.code != 204 {
            buffer.writeStaticString("Content-Length: ")
            buffer.writeString(String(body.count))
            buffer.writeStaticString("\r\n")
        }
        for field in fields { buffer.write(field) }
        buffer.writeStaticString("X-Request-ID: ")
        buffer.writeString(requestID)
        buffer.writeStaticString("\r\nDate: ")
        buffer.writeString(date)
        buffer.writeStaticString("\r\n")
        for field in last { buffer.write(field) }
        if form.closes {
            buffer.writeStaticString("Connection: close\r\n")
        } else if form.isHTTP10 {
            buffer.writeStaticString("Connection: keep-alive\r\n")
        }
        buffer.writeStaticString("\r\n")
        if !form.omitsBody { buffer.writeBytes(body) }
        return buffer
    }
}

extension ByteBuffer {
    /// Writes a field of a header, with the end of its line.
    fileprivate mutating func write(_ field: (name: String, value: String)) {
        writeString(field.name)
        writeStaticString(": ")
        writeString(field.value)
        writeStaticString("\r\n")
    }
}
