package import HTTPTypes

/// The name under which one request is found in the logs of all who touched it.
package enum RequestID {
    package static let fieldName: HTTPField.Name = {
        // The name is a constant and a valid token, so the fallback is never taken.
        HTTPField.Name("X-Request-ID") ?? .via
    }()

    /// The caller's own if it is harmless in a log and short, else a new one of 64 random bits.
    package static func of(_ proposed: String?) -> String {
        if let proposed, isAcceptable(proposed) { return proposed }
        return hex(UInt64.random(in: .min ... .max))
    }

    /// As many as are wanted, from one draw of random bits: numbers that differ, by SplitMix64.
    struct Sequence {
        private var state = UInt64.random(in: .min ... .max)

        mutating func next() -> String {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
            return RequestID.hex(mixed ^ mixed >> 31)
        }
    }

    /// 1 to 128 characters of `[A-Za-z0-9._-]`, no token among them.
    package static func isAcceptable(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            } && TokenMask.findsNothing(in: text)
    }

    private static func hex(_ value: UInt64) -> String {
        let digits = (0..<16).map { index in
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(60 - 4 * index)) & 15
            return digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
        }
        return String(decoding: digits, as: UTF8.self)
    }
}
