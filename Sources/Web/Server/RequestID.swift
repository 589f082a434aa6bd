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

    /// 1 to 128 characters of `[A-Za-z0-9._-]`.
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
            }
    }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
