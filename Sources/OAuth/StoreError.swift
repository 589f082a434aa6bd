/// Why the store gave no answer.
package enum StoreError: Error, Sendable, CustomStringConvertible {
    /// It cannot answer now, or may have done something and cannot say: ask again.
    case unavailable(String)
    /// What was named does not exist.
    case missing(String)
    /// What was asked contradicts what is there.
    case conflict(String)
    /// A statement was refused or its answer did not fit: a defect.
    case broken(String)

    package var description: String {
        switch self {
        case .unavailable(let reason), .missing(let reason), .conflict(let reason),
            .broken(let reason):
            reason
        }
    }
}
