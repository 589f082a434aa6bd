#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A moment in UTC as people and protocols write it, without Foundation's formatters.
///
/// The proleptic Gregorian calendar by Howard Hinnant's `civil_from_days`.
package struct UTCTime: Sendable, Equatable {
    package let milliseconds: Int64
    private let year: Int64
    private let month: Int64
    private let day: Int64

    package init(millisecondsSinceEpoch milliseconds: Int64) {
        self.milliseconds = milliseconds
        let days = Self.floor(milliseconds, 86_400_000)
        let shifted = days + 719_468
        let era = Self.floor(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    package static func now() -> UTCTime {
        UTCTime(millisecondsSinceEpoch: Int64(Date().timeIntervalSince1970 * 1000))
    }

    /// `2026-11-23T10:34:23.120Z` (RFC 3339).
    package var rfc3339: String {
        var bytes: [UInt8] = []
        appendRFC3339(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The same as bytes, since each line of the log has it.
    func appendRFC3339(to bytes: inout [UInt8]) {
        func append(_ value: Int64, _ width: Int, _ separator: Unicode.Scalar) {
            var divisor: Int64 = 1
            for _ in 1..<width { divisor *= 10 }
            if value < 0 || value >= divisor * 10 {
                bytes += String(value).utf8
            } else {
                while divisor > 0 {
                    bytes.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
                    divisor /= 10
                }
            }
            bytes.append(UInt8(ascii: separator))
        }
        append(year, 4, "-")
        append(month, 2, "-")
        append(day, 2, "T")
        let seconds = inDay / 1000
        append(seconds / 3600, 2, ":")
        append(seconds / 60 % 60, 2, ":")
        append(seconds % 60, 2, ".")
        append(inDay % 1000, 3, "Z")
    }

    /// `Mon, 23 Nov 2026 10:34:23 GMT` (RFC 9110 §5.6.7).
    package var httpDate: String {
        let days = Self.floor(milliseconds, 86_400_000)
        let weekday = Int(days + 4 - Self.floor(days + 4, 7) * 7)
        return "\(Self.weekdays[weekday]), \(pad(day, 2)) \(Self.months[Int(month) - 1])"
            + " \(pad(year, 4)) \(clock(inDay)) GMT"
    }

    /// Wraps, since the first day of an Int64 begins before its first number.
    private var inDay: Int64 { milliseconds &- Self.floor(milliseconds, 86_400_000) &* 86_400_000 }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private func clock(_ millisecondsInDay: Int64) -> String {
        let seconds = millisecondsInDay / 1000
        return "\(pad(seconds / 3600, 2)):\(pad(seconds / 60 % 60, 2)):\(pad(seconds % 60, 2))"
    }

    private func pad(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    private static func floor(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }
}
