import OAuth
import Storage
import Synchronization
import Testing

@testable import Cluster

/// Equal requests share what is begun after they came, and nothing that was begun before.
@Suite struct RepeatsTests {
    /// Work that goes on when it is let go on, and says for how many it was done.
    private final class Work: Sendable {
        private struct State {
            var begun: [Int] = []
            var waiting: [CheckedContinuation<Void, Never>] = []
        }

        private let state = Mutex(State())

        var begun: [Int] { state.withLock { $0.begun } }

        func callAsFunction(_ requests: Int) async {
            await withCheckedContinuation { continuation in
                state.withLock {
                    $0.begun.append(requests)
                    $0.waiting.append(continuation)
                }
            }
        }

        func finishOne() {
            state.withLock { $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }?.resume()
        }

        /// Lets go on whatever is begun, until it was done for so many.
        func finishAll(_ requests: Int) async {
            while begun.reduce(0, +) < requests {
                finishOne()
                await Task.yield()
            }
            finishOne()
        }

        func until(_ count: Int) async {
            while begun.count < count { await Task.yield() }
        }
    }

    @Test func theNextOneIsShared() async throws {
        let repeats = Repeats<String, Int>()
        let work = Work()
        let outcomes = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<2 {
                // The first is alone; whoever comes meanwhile waits for one of their own.
                group.addTask {
                    try await repeats.perform("a", by: .now + .seconds(60)) { requests, _ in
                        await work(requests)
                        return requests
                    }
                }
                await work.until(1)
            }
            for _ in 0..<8 {
                group.addTask {
                    try await repeats.perform("a", by: .now + .seconds(60)) { requests, _ in
                        await work(requests)
                        return requests
                    }
                }
            }
            // Another key waits for nobody.
            group.addTask {
                try await repeats.perform("b", by: .now) { requests, _ in requests + 100 }
            }
            try await Task.sleep(for: .milliseconds(50))
            #expect(work.begun == [1])
            await work.finishAll(10)
            return try await group.reduce(into: []) { $0.append($1) }
        }
        // However late some of them came: each was done for once, and few times for all.
        #expect(work.begun.first == 1)
        #expect(work.begun.reduce(0, +) == 10)
        #expect(work.begun.count < 10)
        #expect(outcomes.count == 11)
        #expect(outcomes.contains(101))
    }

    /// An error is everybody's who shared it, and the next one begins anew.
    @Test func anErrorIsShared() async throws {
        let repeats = Repeats<String, Int>()
        let work = Work()
        let failed = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<5 {
                group.addTask {
                    do {
                        _ = try await repeats.perform("a", by: .now + .seconds(60)) {
                            (requests, _) async throws(StoreError) in
                            await work(requests)
                            if work.begun.count > 1 { throw .unavailable("a test") }
                            return requests
                        }
                        return false
                    } catch {
                        return true
                    }
                }
                await work.until(1)
            }
            try? await Task.sleep(for: .milliseconds(50))
            work.finishOne()
            await work.until(2)
            await work.finishAll(5)
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(failed == 4)
        #expect(try await repeats.perform("a", by: .now) { requests, _ in requests } == 1)
    }

    /// Whoever has no time left is told so, and what is done for the others has the time of the last.
    @Test func eachWaitsForItsOwnTime() async throws {
        let repeats = Repeats<String, Duration>()
        let work = Work()
        let began = ContinuousClock.now
        @Sendable func ask(_ deadline: Duration) async -> Duration? {
            try? await repeats.perform("a", by: began + deadline) { requests, last in
                await work(requests)
                return last - began
            }
        }
        try await withThrowingTaskGroup(of: Duration?.self) { group in
            group.addTask { await ask(.seconds(1)) }
            await work.until(1)
            // The first is still under way when this one's time is up.
            #expect(await ask(.milliseconds(50)) == nil)
            for seconds in [70, 90, 80] { group.addTask { await ask(.seconds(seconds)) } }
            try await Task.sleep(for: .milliseconds(100))
            await work.finishAll(4)
            var lasts: [Duration?] = []
            for try await last in group { lasts.append(last) }
            #expect(lasts.count == 4)
            #expect(lasts.contains(.seconds(1)))
            #expect(lasts.contains(.seconds(90)))
            #expect(!lasts.contains(nil))
        }
        // And nothing is left over.
        #expect(repeats.isIdle)
    }
}
