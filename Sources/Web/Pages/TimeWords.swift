package import OAuth

/// How long ago something was, and how long something takes, as people say it.
package enum TimeWords {
    private static let minute: Int64 = 60
    private static let hour = 60 * minute
    private static let day = 24 * hour

    /// `2 hours ago`. Days are 24 hours, since we do not know when the person's midnight is. A moment
    /// that has not come yet is now.
    package static func ago(
        _ moment: UnixTime, at now: UnixTime, in words: Words.TimeUnits
    ) -> HTML {
        let (difference, overflow) = now.seconds.subtractingReportingOverflow(moment.seconds)
        let seconds = overflow ? (moment < now ? .max : 0) : difference
        return switch seconds {
        case ..<minute: words.justNow
        case ..<hour: words.ago(seconds / minute, .minute)
        case ..<day: words.ago(seconds / hour, .hour)
        case ..<(2 * day): words.yesterday
        case ..<(60 * day): words.ago(seconds / day, .day)
        case ..<(730 * day): words.ago(seconds / (30 * day), .month)
        default: words.ago(seconds / (365 * day), .year)
        }
    }

    /// `34 hours`, rounded up.
    package static func span(_ seconds: Int64, in words: Words.TimeUnits) -> HTML {
        switch seconds {
        case ...minute: words.aMinute
        case ...(2 * hour): words.span((seconds - 1) / minute + 1, .minute)
        case ...(2 * day): words.span((seconds - 1) / hour + 1, .hour)
        default: words.span((seconds - 1) / day + 1, .day)
        }
    }
}
