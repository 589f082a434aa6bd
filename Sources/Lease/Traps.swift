import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A defect of a lease that a debug build can be told to have; `Trap` says what that is for, and has those
/// of other targets.
package enum LeaseTrap: String, CaseIterable, Sendable {
    case wallClockLease = "wall-clock-lease"
    case leaseFromReply = "lease-from-reply"
    case earlyApplied = "early-applied"
    case fillRace = "fill-race"
    case unstampedScopes = "unstamped-scopes"
    case noWaitAfterPromotion = "no-wait-after-promotion"
    case sequenceLog = "sequence-log"
    case timerLease = "timer-lease"

    #if DEBUG
        /// The trap that DOORNAIL_TRAP names.
        package static let planted =
            unsafe getenv("DOORNAIL_TRAP").flatMap {
                unsafe LeaseTrap(rawValue: String(cString: $0))
            }

        package var isPlanted: Bool { self == Self.planted }
    #else
        package static let planted: LeaseTrap? = nil
        package var isPlanted: Bool { false }
    #endif
}

/// `wallClockLease`: the end of the last lease by this machine's clock, in microseconds since 1970.
extension LeaseTrap {
    private static let end = Mutex<Int64>(0)

    static func granted(for length: Duration) {
        guard wallClockLease.isPlanted else { return }
        end.withLock { $0 = wallClock() + length.microseconds }
    }

    static var isBeforeEnd: Bool { wallClock() < end.withLock { $0 } }

    private static func wallClock() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}

extension Upstream {
    /// `earlyApplied`: says that entries are applied, a while before they are.
    func reportEarly(
        _ joining: Joining, _ entries: [LogEntry], by deadline: ContinuousClock.Instant,
        resting pause: Duration
    ) async {
        _ = try? await poll(joining, applied: entries.last?.number ?? 0, by: deadline)
        try? await Task.sleep(for: pause)
    }
}
