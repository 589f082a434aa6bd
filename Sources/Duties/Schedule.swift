/// When something that is done again and again is done next, pure.
package struct Schedule: Sendable, Equatable {
    /// How long it rests after it went well: at random between these, so that processes that began at the
    /// same time drift apart.
    let rest: ClosedRange<Duration>
    /// How long it rests after it failed, at first and at most; each further failure doubles it.
    let retry: ClosedRange<Duration>

    package init(rest: ClosedRange<Duration>, retry: ClosedRange<Duration>) {
        self.rest = rest
        self.retry = retry
    }

    /// It rests for one time, whether it went well or failed.
    package static func every(_ interval: Duration) -> Schedule {
        Schedule(rest: interval...interval, retry: interval...interval)
    }

    /// How long it rests.
    /// - Parameters:
    ///   - failures: how often it failed since it last went well.
    ///   - chance: a random number from 0 up to 1.
    package func pause(failures: Int, chance: Double) -> Duration {
        guard failures > 0 else {
            return rest.lowerBound + (rest.upperBound - rest.lowerBound) * chance
        }
        // Thirty doublings make a year of a tenth of a second.
        let doubled = retry.lowerBound * (1 << min(failures - 1, 30))
        return min(doubled, retry.upperBound)
    }
}
