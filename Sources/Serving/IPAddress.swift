#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// An IPv4 or IPv6 address as a value.
///
/// An IPv4 address mapped into IPv6 (`::ffff:192.0.2.1`), which is how a listener on all interfaces
/// sees its IPv4 peers, is that IPv4 address.
package enum IPAddress: Sendable, Hashable {
    case v4(UInt32)
    case v6(high: UInt64, low: UInt64)

    /// Dotted decimal of four parts, or RFC 4291 §2.2; no zone, no octal, no abbreviations.
    package init?(_ text: some StringProtocol) {
        // The longest text of an address has 45 bytes; the rest is hostile. C ends at a NUL.
        guard text.utf8.count <= 45, !text.utf8.contains(0) else { return nil }
        let isV6 = text.utf8.contains(UInt8(ascii: ":"))
        var bytes: (UInt64, UInt64) = (0, 0)
        // Unsafe: the system writes the 4 or 16 bytes of an address, which there is room for.
        guard
            unsafe withUnsafeMutableBytes(
                of: &bytes,
                {
                    unsafe inet_pton(isV6 ? AF_INET6 : AF_INET, String(text), $0.baseAddress) == 1
                })
        else { return nil }
        let (high, low) = (UInt64(bigEndian: bytes.0), UInt64(bigEndian: bytes.1))
        self = isV6 ? Self.v6(high: high, low: low).unmapped : .v4(UInt32(high >> 32))
    }

    package var isLoopback: Bool {
        switch self {
        case .v4(let bits): bits >> 24 == 127
        case .v6(let high, let low): high == 0 && low == 1
        }
    }

    /// What one subscriber gets: an IPv4 address, or the first address of a /64.
    var network: IPAddress {
        guard case .v6(let high, _) = self else { return self }
        return .v6(high: high, low: 0)
    }

    private var unmapped: IPAddress {
        guard case .v6(0, let low) = self, low >> 32 == 0xFFFF else { return self }
        return .v4(UInt32(truncatingIfNeeded: low))
    }
}

extension IPAddress: CustomStringConvertible {
    /// Dotted decimal, or the one canonical text of RFC 5952.
    package var description: String {
        switch self {
        case .v4(let bits):
            return "\(bits >> 24).\(bits >> 16 & 255).\(bits >> 8 & 255).\(bits & 255)"
        case .v6(let high, let low):
            let groups = [high, low].flatMap { half in
                stride(from: 48, through: 0, by: -16).map { UInt16(truncatingIfNeeded: half >> $0) }
            }
            let gap = Self.longestZeros(groups)
            func text(_ part: ArraySlice<UInt16>) -> String {
                part.map { String($0, radix: 16) }.joined(separator: ":")
            }
            guard let gap else { return text(groups[...]) }
            return text(groups[..<gap.lowerBound]) + "::" + text(groups[gap.upperBound...])
        }
    }

    /// The first of the longest runs of two zeros or more.
    private static func longestZeros(_ groups: [UInt16]) -> Range<Int>? {
        var best: Range<Int>?
        var start = 0
        while start < groups.count {
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start >= 2, end - start > (best?.count ?? 0) { best = start..<end }
            start = max(end, start + 1)
        }
        return best
    }
}
