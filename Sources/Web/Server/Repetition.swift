import NIOCore

/// Recognises a request whose header is, byte by byte, that of the last one on its connection that the
/// hot path understood, so that it need not be parsed again: clients repeat themselves. Only labels,
/// which are made for each request, may differ.
///
/// It counts only while the parser is known to hold no part of a request: on a connection each read of
/// which was one whole request so far. After any other read everything is parsed.
struct Repetition {
    /// A field that only names its request: it changes neither what is asked nor where the request ends.
    enum Label: String, CaseIterable {
        case requestID = "x-request-id"
        /// W3C Trace Context §3.2 and §3.3.
        case traceParent = "traceparent"
        case traceState = "tracestate"
    }

    /// Where in a header the value of a label is.
    private struct Place {
        let label: Label
        let value: Range<Int>
    }

    private struct Known {
        let header: HotPath.Header
        /// The request line and all fields, to the empty line.
        let bytes: ByteBuffer
        let bodyBytes: Int
        /// From the first to the last.
        let labels: [Place]
    }

    /// A header in bytes that is kept with an idle connection, or is like one that is.
    private static let longest = 1024

    private var known: Known?
    private var isBetweenRequests = true
    // Of the read that is being parsed.
    private var headers = 0
    private var ends = 0
    private var bodyBytes: Int?
    private var understood: HotPath.Header?

    /// The header that was known, with the labels of this request, and the body; nil where these bytes
    /// are anything else.
    func request(in read: ByteBuffer) -> (HotPath.Header, body: ByteBuffer)? {
        guard isBetweenRequests, let known else { return nil }
        var (read, expected, at) = (read, known.bytes, 0)
        guard read.readableBytes <= Self.longest + known.bodyBytes else { return nil }
        var labels: [(Label, String)] = []
        for place in known.labels {
            guard Self.take(place.value.lowerBound - at, from: &read, asIn: &expected),
                let word = Self.word(from: &read)
            else { return nil }
            labels.append((place.label, word))
            expected.moveReaderIndex(forwardBy: place.value.count)
            at = place.value.upperBound
        }
        guard read.readableBytes == expected.readableBytes + known.bodyBytes,
            Self.take(expected.readableBytes, from: &read, asIn: &expected)
        else { return nil }
        return (labels.isEmpty ? known.header : known.header.labelled(labels), read)
    }

    /// Whether both go on with the same bytes, which are taken from them.
    private static func take(
        _ count: Int, from read: inout ByteBuffer, asIn expected: inout ByteBuffer
    ) -> Bool {
        guard let bytes = read.readSlice(length: count) else { return false }
        return bytes == expected.readSlice(length: count)
    }

    /// Takes what is visible ASCII, at least one byte of it: of a field's value the parser makes the same.
    private static func word(from read: inout ByteBuffer) -> String? {
        let view = read.readableBytesView
        guard let end = view.firstIndex(where: { !isVisible($0) }),
            end > view.startIndex
        else { return nil }
        return read.readString(length: end - view.startIndex)
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
        guard headers == 1, ends == 1, let bodyBytes, let (count, labels) = Self.header(of: read),
            count + bodyBytes == read.readableBytes
        else {
            isBetweenRequests = false
            known = nil
            return
        }
        if let understood, count <= Self.longest {
            // A copy: a slice would keep the whole read.
            known = Known(
                header: understood, bytes: ByteBuffer(bytes: read.readableBytesView.prefix(count)),
                bodyBytes: bodyBytes, labels: labels)
        }
    }

    /// How long the header is, to the first empty line, and where in it labels are. Nil where the empty
    /// line is the first one, or a line ends in any other way than CR LF.
    private static func header(of read: ByteBuffer) -> (bytes: Int, labels: [Place])? {
        let bytes = Array(read.readableBytesView)
        var labels = Labels()
        var (line, index) = (0, 0)
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\n"): return nil
            case UInt8(ascii: "\r"):
                guard index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "\n") else {
                    return nil
                }
                if index == line { return line == 0 ? nil : (index + 2, labels.places) }
                labels.look(at: bytes[line..<index])
                line = index + 2
                index = line
            default: index += 1
            }
        }
        return nil
    }

    /// The labels of a header, line by line.
    private struct Labels {
        private var found: [Place] = []
        /// Whether each is there once, and no line goes on with the one before it.
        private var isPlain = true

        /// Those that are one word.
        var places: [Place] { isPlain ? found.filter { !$0.value.isEmpty } : [] }

        mutating func look(at line: ArraySlice<UInt8>) {
            if line.first == UInt8(ascii: " ") || line.first == UInt8(ascii: "\t") {
                isPlain = false
            }
            let name = line.prefix { $0 != UInt8(ascii: ":") }
            guard let label = Label(named: name) else { return }
            if found.contains(where: { $0.label == label }) { isPlain = false }
            var value = line[name.endIndex...].dropFirst().drop { $0 == UInt8(ascii: " ") }
            if !value.allSatisfy(isVisible) { value = value.prefix(0) }
            found.append(Place(label: label, value: value.indices))
        }
    }

    private static func isVisible(_ byte: UInt8) -> Bool { (0x21...0x7E).contains(byte) }
}

extension Repetition.Label {
    fileprivate init?(named name: ArraySlice<UInt8>) {
        guard Self.allCases.contains(where: { $0.rawValue.utf8.count == name.count }) else {
            return nil
        }
        self.init(rawValue: String(decoding: name, as: UTF8.self).lowercased())
    }
}
