package import NIOCore

/// The sizes and times that one HTTP connection may take.
///
/// One struct, so that a test can shorten them and a reader finds them all in one place.
package struct HTTPLimits: Sendable, Equatable {
    /// Bytes of the request line's target, field names and field values together (RFC 6585 §5).
    package var headerBytes = 16 * 1024
    /// Fields in one header.
    package var headerFields = 100
    /// Bytes of a body, without its framing.
    package var bodyBytes = Self.bodyBytes
    package static let bodyBytes = 64 * 1024
    /// From accepting a connection, TLS handshake included, to the first byte of a request.
    package var firstByte: TimeAmount = .seconds(10)
    /// From the first byte of a header to its end.
    package var header: TimeAmount = .seconds(10)
    /// From the end of the header to the end of the body.
    package var body: TimeAmount = .seconds(15)
    /// From an answer to the first byte of the next request.
    package var idle: TimeAmount = .seconds(75)
    /// From a complete request to its answer, or from one answer to the next.
    ///
    /// Far above the few seconds that a request may take, so it cuts no slow answer; but a peer
    /// that sends requests and reads no answers is cut off.
    package var answer: TimeAmount = .seconds(75)
    /// What the kernel keeps of what a peer sends and we do not read yet, and as much of what we send and
    /// it does not read. (It counts twice that.) By itself it would keep some megabytes.
    package var socketBytes = 65536
    /// How long the rest of what a peer sends is read and dropped after our last answer.
    ///
    /// Closing a socket with unread bytes makes the kernel send a reset, which can destroy the
    /// answer before the peer has read it (RFC 9112 §9.6).
    package var linger: TimeAmount = .seconds(5)
    /// How long an idle connection is kept when the server stops.
    ///
    /// A request that was on its way is answered rather than met by a closed socket.
    package var quiesce: TimeAmount = .milliseconds(200)
    /// How many connections may be open at the same time; what comes beyond is closed immediately.
    package var connections = 10_000
    /// Of these, connections from one address that is no trusted proxy's (IPv6: from one /64).
    package var connectionsByAddress = 2_500

    package init() {}

    /// As many connections as the limit of open files leaves, a quarter of them for one address; nil
    /// where it leaves too few.
    /// - Parameter reserve: files that the process needs beside these connections.
    package init?(files: Int, reserve: Int) {
        connections = min(connections, files - reserve)
        guard connections >= Self.fewestConnections else { return nil }
        connectionsByAddress = connections / 4
    }

    /// With fewer a server would be of no use.
    package static let fewestConnections = 16

    /// For health checks and whoever reads metrics.
    package static let admin: HTTPLimits = {
        var limits = HTTPLimits()
        limits.connections = 32
        limits.connectionsByAddress = 32
        return limits
    }()

    /// Bytes that may arrive before a header is complete, whatever the parser counted of them.
    ///
    /// The parser counts names and values alone, and would buffer blanks without end.
    var rawHeaderBytes: Int { headerBytes + 4 * headerFields + 1024 }

    /// Bytes that may arrive for one body: chunks of one byte are framed with five more.
    var rawBodyBytes: Int { 8 * bodyBytes + rawHeaderBytes }
}
