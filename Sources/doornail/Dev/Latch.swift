import Synchronization

/// A signal that is given once and that any number of tasks may wait for.
///
/// A waiting task goes on when the latch opens *or* when the task is cancelled, so that a task
/// group with a waiter in it can always be ended.
final class Latch: Sendable {
    private struct State {
        var isOpen = false
        var nextWaiter = 0
        var cancelled: Set<Int> = []
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    /// Whether the signal was given.
    var isOpen: Bool { state.withLock { $0.isOpen } }

    /// Gives the signal; once is enough, and more does no harm.
    func open() {
        let waiters = state.withLock { state in
            state.isOpen = true
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Waits for the signal or for the task's cancellation.
    func wait() async {
        let number = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    if state.isOpen || state.cancelled.remove(number) != nil { return true }
                    state.waiters[number] = continuation
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            // Cancellation may come before the continuation is there: it is noted for it.
            let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
                if let waiter = state.waiters.removeValue(forKey: number) { return waiter }
                if !state.isOpen { state.cancelled.insert(number) }
                return nil
            }
            waiter?.resume()
        }
        state.withLock { state in _ = state.cancelled.remove(number) }
    }
}
