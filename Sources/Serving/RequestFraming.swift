import NIOCore
import NIOHTTP1

/// What the header of a request says about the message it begins: pure, from the parsed header.
///
/// The parser has already refused two lengths, a length beside a transfer coding and bad chunks;
/// here is what RFC 9112 asks of a server beyond that.
struct RequestFraming: Equatable {
    /// A HEAD request: its answer has no body, whatever the route wrote (RFC 9110 §9.3.2).
    var isHead = false
    var isHTTP10 = false
    /// The connection ends with the answer.
    var closes = false
    /// The client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    var expectsContinue = false
    /// The body's length where it was given; nil for chunks.
    var contentLength: Int? = 0

    /// RFC 9112 §3.2 (Host), §3.3 (target), §6.1 (transfer codings), §9.3 (persistence).
    static func of(_ head: HTTPRequestHead) -> Result<RequestFraming, Rejection> {
        var framing = RequestFraming()
        framing.isHead = head.method == .HEAD
        framing.isHTTP10 = head.version.minor == 0
        // After an upgrade or CONNECT the parser stops, since another protocol would follow. We
        // speak none, so the answer ends the connection.
        framing.closes =
            !head.isKeepAlive || head.method == .CONNECT || head.headers.contains(name: "upgrade")

        let hosts = head.headers["host"]
        guard hosts.count == 1 || (framing.isHTTP10 && hosts.isEmpty),
            hosts.allSatisfy(isHost)
        else { return .failure(.badHost) }
        guard isTarget(head.uri, method: head.method) else { return .failure(.badTarget) }

        let codings = head.headers["transfer-encoding"]
        if codings.isEmpty {
            // The parser lets only digits through, as many as 64 bits hold.
            framing.contentLength =
                head.headers.first(name: "content-length").map {
                    Int(Substring(trimmed($0[...].utf8))) ?? .max
                } ?? 0
        } else if framing.isHTTP10 {
            // HTTP/1.0 has no transfer codings: faulty framing, which must not be guessed at.
            return .failure(.malformed)
        } else {
            guard codings.count == 1, codings[0].lowercased() == "chunked" else {
                return .failure(.unknownTransferCoding)
            }
            framing.contentLength = nil
        }
        framing.expectsContinue =
            !framing.isHTTP10 && framing.contentLength != 0
            && head.headers.first(name: "expect")?.lowercased() == "100-continue"
        return .success(framing)
    }

    /// Whether a header that the parser refused for its length is in order but for that: a number beyond
    /// 64 bits. To the parser it is one error with what is no number.
    static func announcesTooMuch(_ header: ByteBuffer) -> Bool {
        let lengths = String(buffer: header).utf8.split(separator: UInt8(ascii: "\n")).compactMap {
            line -> Substring? in
            let parts = line.split(
                separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, Substring(parts[0]).lowercased() == "content-length" else {
                return nil
            }
            return Substring(
                trimmed(parts[1].last == UInt8(ascii: "\r") ? parts[1].dropLast() : parts[1]))
        }
        return lengths.contains { UInt64($0) == nil }
            && lengths.allSatisfy { length in
                !length.isEmpty && length.utf8.allSatisfy { (0x30...0x39).contains($0) }
            }
    }

    /// Visible ASCII without what could end an authority; empty is allowed (RFC 9110 §7.2).
    private static func isHost(_ host: String) -> Bool {
        host.utf8.count <= 255
            && host.utf8.allSatisfy { byte in
                switch byte {
                case 0x21...0x7E:
                    switch byte {
                    case UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"),
                        UInt8(ascii: "@"), UInt8(ascii: "\\"), UInt8(ascii: ","),
                        UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"):
                        false
                    default: true
                    }
                default: false
                }
            }
    }

    private static func isTarget(_ target: String, method: HTTPMethod) -> Bool {
        guard target.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") })
        else { return false }
        if target.utf8.first == UInt8(ascii: "/") { return true }
        if target == "*" { return method == .OPTIONS }
        return method == .CONNECT || originForm(target) != target
    }

    /// The path and query of a target that may be absolute (RFC 9112 §3.2.2: a server accepts it).
    static func originForm(_ target: String) -> String {
        guard target.utf8.first != UInt8(ascii: "/") else { return target }
        for scheme in ["http://", "https://"] where target.lowercased().hasPrefix(scheme) {
            let rest = target.utf8.dropFirst(scheme.utf8.count)
            guard
                let end = rest.firstIndex(where: {
                    $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?")
                })
            else { return "/" }
            let path = String(Substring(rest[end...]))
            return path.utf8.first == UInt8(ascii: "/") ? path : "/" + path
        }
        return target
    }
}
