/// A moment (`timestamptz`): microseconds since the beginning of 1970 in UTC.
///
/// PostgreSQL's range is wider at its upper end; what lies beyond saturates to `infinity`.
package struct PostgresTime: PostgresValue, Hashable, Comparable, CustomStringConvertible {
    package let microseconds: Int64

    package init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// PostgreSQL's `infinity`, later than every moment.
    package static let distantFuture = PostgresTime(microseconds: .max)
    /// PostgreSQL's `-infinity`.
    package static let distantPast = PostgresTime(microseconds: .min)

    package static func < (left: PostgresTime, right: PostgresTime) -> Bool {
        left.microseconds < right.microseconds
    }

    package var description: String { "\(microseconds) us" }

    /// From 1970 to 2000, where PostgreSQL counts from.
    private static let epoch: Int64 = 946_684_800_000_000
    /// PostgreSQL's first moment (4714-11-24 BC), by its own count; its last one is later than ours.
    private static let earliest: Int64 = -211_813_488_000_000_000

    package static var oid: UInt32 { 1184 }
    package static var sample: PostgresTime { PostgresTime(microseconds: 0) }

    package func encode(into bytes: inout [UInt8]) -> Bool {
        let (value, overflow) = microseconds.subtractingReportingOverflow(Self.epoch)
        if self == .distantFuture {
            bytes.append(bigEndian: Int64.max)
        } else if overflow || value < Self.earliest {
            bytes.append(bigEndian: Int64.min)
        } else {
            bytes.append(bigEndian: value)
        }
        return true
    }

    package static func decode(_ bytes: Span<UInt8>) throws(PostgresError) -> PostgresTime {
        let value = try Int64.decode(bytes)
        if value == .min { return .distantPast }
        let (microseconds, overflow) = value.addingReportingOverflow(epoch)
        return overflow ? .distantFuture : PostgresTime(microseconds: microseconds)
    }
}
