package import OAuth

/// How long ago something was, and how long something takes, as people say it.
package enum TimeWords {
    private static let minute: Int64 = 60
    private static let hour = 60 * minute
    private static let day = 24 * hour

    /// `2 hours ago`. Days are 24 hours, since nobody told us where midnight is; a moment that has
    /// not come yet is now.
    package static func ago(_ moment: UnixTime, at now: UnixTime) -> String {
        let (difference, overflow) = now.seconds.subtractingReportingOverflow(moment.seconds)
        let seconds = overflow ? (moment < now ? .max : 0) : difference
        return switch seconds {
        case ..<minute: "just now"
        case ..<hour: count(seconds / minute, "minute") + " ago"
        case ..<day: count(seconds / hour, "hour") + " ago"
        case ..<(2 * day): "yesterday"
        case ..<(60 * day): count(seconds / day, "day") + " ago"
        case ..<(730 * day): count(seconds / (30 * day), "month") + " ago"
        default: count(seconds / (365 * day), "year") + " ago"
        }
    }

    /// `34 hours`, rounded up.
    package static func span(_ seconds: Int64) -> String {
        switch seconds {
        case ...minute: "a minute"
        case ...(2 * hour): count((seconds - 1) / minute + 1, "minute")
        case ...(2 * day): count((seconds - 1) / hour + 1, "hour")
        default: count((seconds - 1) / day + 1, "day")
        }
    }

    private static func count(_ number: Int64, _ unit: String) -> String {
        "\(number) \(unit)\(number == 1 ? "" : "s")"
    }
}
