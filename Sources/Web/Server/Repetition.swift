import NIOCore

/// Recognises a request whose header is, byte by byte, that of the last one on its connection that the
/// hot path understood, so that it need not be parsed again: clients repeat themselves.
///
/// It counts only while the parser is known to hold no part of a request: on a connection each read of
/// which was one whole request so far. After any other read everything is parsed.
struct Repetition {
    private struct Known {
        let header: HotPath.Header
        /// The request line and all fields, to the empty line.
        let bytes: ByteBuffer
        let bodyBytes: Int
    }

    /// A header in bytes that is kept with an idle connection.
    private static let longest = 1024

    private var known: Known?
    private var isBetweenRequests = true
    // Of the read that is being parsed.
    private var headers = 0
    private var ends = 0
    private var bodyBytes: Int?
    private var understood: HotPath.Header?

    /// The header that was known, and the body; nil where these bytes are anything else.
    func request(in read: ByteBuffer) -> (HotPath.Header, body: ByteBuffer)? {
        guard isBetweenRequests, let known,
            read.readableBytes == known.bytes.readableBytes + known.bodyBytes
        else { return nil }
        var body = read
        guard body.readSlice(length: known.bytes.readableBytes) == known.bytes else { return nil }
        return (known.header, body)
    }

    // MARK: What the parser finds

    mutating func readBegan() {
        headers = 0
        ends = 0
        bodyBytes = nil
        understood = nil
    }

    mutating func parsed(_ framing: RequestFraming) {
        headers += 1
        bodyBytes = framing.contentLength
    }

    /// A request has arrived as a whole.
    mutating func ended() {
        ends += 1
    }

    /// The header was of no use.
    mutating func forget() {
        known = nil
    }

    /// What the parsed header says to the hot path.
    mutating func understood(_ header: HotPath.Header) {
        understood = header
    }

    mutating func readEnded(_ read: ByteBuffer) {
        guard isBetweenRequests else { return }
        guard headers == 1, ends == 1, let bodyBytes, let header = Self.header(of: read),
            header.readableBytes + bodyBytes == read.readableBytes
        else {
            isBetweenRequests = false
            known = nil
            return
        }
        if let understood, header.readableBytes <= Self.longest {
            // A copy: a slice would keep the whole read.
            known = Known(
                header: understood, bytes: ByteBuffer(bytes: header.readableBytesView),
                bodyBytes: bodyBytes)
        }
    }

    /// The bytes up to the first empty line; nil where it is the first line, or a line ends in any other
    /// way than CR LF.
    private static func header(of read: ByteBuffer) -> ByteBuffer? {
        let view = read.readableBytesView
        var line = 0
        var previous: UInt8 = 0
        for (count, byte) in view.enumerated() {
            if byte == UInt8(ascii: "\n") {
                guard previous == UInt8(ascii: "\r") else { return nil }
                if line == 1 {
                    return count > 1
                        ? read.getSlice(at: read.readerIndex, length: count + 1) : nil
                }
                line = 0
            } else {
                guard previous != UInt8(ascii: "\r") else { return nil }
                line += 1
            }
            previous = byte
        }
        return nil
    }
}
