import Synchronization

/// Which of several things have ended: in the database, and for everybody.
final class Ended: Sendable {
    private let state: Mutex<(committed: [Bool], acknowledged: [Bool])>

    init(count: Int) {
        let none = [Bool](repeating: false, count: count)
        state = Mutex((none, none))
    }
    func commit(_ number: Int) { state.withLock { $0.committed[number] = true } }
    func acknowledge(_ number: Int) { state.withLock { $0.acknowledged[number] = true } }
    func isCommitted(_ number: Int) -> Bool { state.withLock { $0.committed[number] } }
    func isAcknowledged(_ number: Int) -> Bool { state.withLock { $0.acknowledged[number] } }
}
