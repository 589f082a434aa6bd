#if DEBUG
    #if canImport(Glibc)
        import Glibc
    #elseif canImport(Musl)
        import Musl
    #else
        import Darwin
    #endif
#endif

/// A defect that a debug build can be told to have, to show that the tests of the promise would find
/// it (docs/promise.md). A release build has none of them. Those of a lease are in `LeaseTrap`.
package enum Trap: String, CaseIterable, Sendable {
    case asyncCommit = "async-commit"
    case warning01000 = "warning-01000"
    case earlyNodeRows = "early-node-rows"
    case oldPrimary = "old-primary"
    case noProof = "no-proof"
    case retryByRead = "retry-by-read"
    case upsertPoll = "upsert-poll"
    case swallowedError = "swallowed-error"
    case noOpRevocation = "no-op-revocation"

    #if DEBUG
        /// The trap that DOORNAIL_TRAP names.
        package static let planted =
            unsafe getenv("DOORNAIL_TRAP").flatMap { unsafe Trap(rawValue: String(cString: $0)) }

        package var isPlanted: Bool { self == Self.planted }
    #else
        package static let planted: Trap? = nil
        package var isPlanted: Bool { false }
    #endif
}
