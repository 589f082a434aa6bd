import Synchronization

/// How many there are so far.
final class Counter: Sendable {
    private let state = Mutex(0)

    var count: Int { state.withLock { $0 } }
    func add() { state.withLock { $0 += 1 } }
}

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
