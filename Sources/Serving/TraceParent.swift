/// Reads the header by which tracing systems tell what a request belongs to
/// (W3C Trace Context §3.2).
enum TraceParent {
    /// The trace id, or nil if the header is not valid: `00-<32 hex>-<16 hex>-<2 hex>`, lower case,
    /// neither id all zeros. A later version may have more fields behind; version `ff` is invalid.
    static func traceID(_ header: String) -> String? {
        let bytes = Array(header.utf8)
        guard bytes.count >= 55, bytes[2] == dash, bytes[35] == dash, bytes[52] == dash,
            bytes.count == 55 || bytes[55] == dash
        else { return nil }
        let version = bytes[0..<2]
        let trace = bytes[3..<35]
        let parent = bytes[36..<52]
        guard [version, trace, parent, bytes[53..<55]].allSatisfy({ $0.allSatisfy(isHex) }),
            !version.allSatisfy({ $0 == UInt8(ascii: "f") }),
            !version.allSatisfy({ $0 == zero }) || bytes.count == 55,
            !trace.allSatisfy({ $0 == zero }), !parent.allSatisfy({ $0 == zero })
        else { return nil }
        return String(decoding: trace, as: UTF8.self)
    }

    private static let dash = UInt8(ascii: "-")
    private static let zero = UInt8(ascii: "0")

    private static func isHex(_ byte: UInt8) -> Bool {
        (zero...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}
