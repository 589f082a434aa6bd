/// A moment, in whole seconds since 1970-01-01T00:00:00Z (`NumericDate`, RFC 7519 §2).
///
/// It always comes from the database, never from a node's own clock.
package struct UnixTime: Hashable, Comparable, Sendable {
    package let seconds: Int64

    package init(seconds: Int64) {
        self.seconds = seconds
    }

    package static func < (left: UnixTime, right: UnixTime) -> Bool {
        left.seconds < right.seconds
    }

    /// The moment that many seconds later; it saturates rather than overflow.
    package func adding(seconds more: Int64) -> UnixTime {
        let (sum, overflow) = seconds.addingReportingOverflow(more)
        return UnixTime(seconds: overflow ? (more < 0 ? .min : .max) : sum)
    }
}
