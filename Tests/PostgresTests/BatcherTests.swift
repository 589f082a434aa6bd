import Postgres
import Synchronization
import Testing

/// A batch function that a test opens and closes, and that remembers what it was given.
private final class Gate: Sendable {
    private struct State {
        var isOpen = true
        var batches: [[Int]] = []
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    var batches: [[Int]] { state.withLock { $0.batches } }

    func close() { state.withLock { $0.isOpen = false } }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func pass(_ batch: [Int]) async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                state.batches.append(batch)
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    /// Waits until so many batches have begun.
    func hasBegun(_ count: Int) async {
        while batches.count < count { try? await Task.sleep(for: .milliseconds(1)) }
    }
}

@Suite("The batcher")
struct BatcherTests {
    private func doubling(
        _ gate: Gate, maximumBatch: Int = 256, maximumWaiting: Int = 16384, concurrency: Int = 1
    ) -> Batcher<Int, Int> {
        Batcher(
            label: "test", maximumBatch: maximumBatch, maximumWaiting: maximumWaiting,
            concurrency: concurrency
        ) { (requests, _) async throws(PostgresError) in
            await gate.pass(requests)
            return requests.map { $0 * 2 }
        }
    }

    /// Long enough for tasks that were started to have got in line.
    private func settle() async { try? await Task.sleep(for: .milliseconds(50)) }

    @Test func aloneItIsABatchOfOne() async throws {
        let gate = Gate()
        let batcher = doubling(gate)
        for number in 1...3 {
            #expect(try await batcher.perform(number, deadline: .soon) == number * 2)
        }
        #expect(gate.batches == [[1], [2], [3]])
    }

    @Test func requestsGatherAndShare() async throws {
        let gate = Gate()
        let batcher = doubling(gate)
        gate.close()
        try await withThrowingTaskGroup(of: (Int, Int).self) { group in
            group.addTask { (0, try await batcher.perform(0, deadline: .soon)) }
            await gate.hasBegun(1)
            for number in [1, 2, 3, 1, 2, 1, 0] {
                group.addTask { (number, try await batcher.perform(number, deadline: .soon)) }
            }
            await settle()
            gate.open()
            var count = 0
            for try await (number, outcome) in group {
                #expect(outcome == number * 2)
                count += 1
            }
            #expect(count == 8)
        }
        // What arrived while the first was under way did not join it, not even its equal.
        #expect(gate.batches.count == 2)
        #expect(gate.batches.map { $0.sorted() } == [[0], [0, 1, 2, 3]])
    }

    @Test func batchesAreBounded() async throws {
        let gate = Gate()
        let batcher = doubling(gate, maximumBatch: 4)
        gate.close()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { _ = try await batcher.perform(0, deadline: .soon) }
            await gate.hasBegun(1)
            for number in 1...10 {
                group.addTask { _ = try await batcher.perform(number, deadline: .soon) }
            }
            await settle()
            gate.open()
            try await group.waitForAll()
        }
        #expect(gate.batches.map(\.count) == [1, 4, 4, 2])
    }

    @Test func theLineIsBounded() async throws {
        let gate = Gate()
        let batcher = doubling(gate, maximumWaiting: 5)
        gate.close()
        let failures = await withTaskGroup(of: PostgresError?.self) { group in
            group.addTask {
                _ = try? await batcher.perform(0, deadline: .soon)
                return nil
            }
            await gate.hasBegun(1)
            for number in 1...9 {
                group.addTask {
                    do throws(PostgresError) {
                        _ = try await batcher.perform(number, deadline: .soon)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            await settle()
            gate.open()
            return await group.reduce(into: [PostgresError]()) { errors, error in
                if let error { errors.append(error) }
            }
        }
        #expect(failures.count == 4)
        #expect(failures.allSatisfy { $0.isUnavailable })
    }

    @Test func severalMayBeUnderWay() async throws {
        let gate = Gate()
        let batcher = doubling(gate, concurrency: 2)
        gate.close()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { _ = try await batcher.perform(1, deadline: .soon) }
            await gate.hasBegun(1)
            group.addTask { _ = try await batcher.perform(2, deadline: .soon) }
            await gate.hasBegun(2)
            group.addTask { _ = try await batcher.perform(3, deadline: .soon) }
            await settle()
            #expect(gate.batches.count == 2)
            gate.open()
            try await group.waitForAll()
        }
        #expect(gate.batches.count == 3)
    }

    @Test func aRefusedBatchIsTriedOneByOne() async throws {
        let gate = Gate()
        let batcher = Batcher<Int, Int>(label: "test") {
            (requests, _) async throws(PostgresError) in
            await gate.pass(requests)
            if requests.contains(3) {
                throw .refused(sqlState: "23505", message: "no", constraint: nil)
            }
            return requests
        }
        gate.close()
        let outcomes = await withTaskGroup(of: (Int, String).self) { group in
            group.addTask { (0, await self.outcome(of: 0, batcher)) }
            await gate.hasBegun(1)
            for number in 1...4 {
                group.addTask { (number, await self.outcome(of: number, batcher)) }
            }
            await settle()
            gate.open()
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        #expect(outcomes == [0: "0", 1: "1", 2: "2", 3: "refused", 4: "4"])
        #expect(gate.batches.map(\.count) == [1, 4, 1, 1, 1, 1])
    }

    @Test func anUncertainBatchFailsAsAWhole() async throws {
        for error in [PostgresError.unavailable("x"), .outcomeUnknown("x")] {
            let gate = Gate()
            let batcher = Batcher<Int, Int>(label: "test") {
                (requests, _) async throws(PostgresError) in
                await gate.pass(requests)
                if requests.count > 1 { throw error }
                return requests
            }
            gate.close()
            let outcomes = await withTaskGroup(of: String.self) { group in
                group.addTask { await self.outcome(of: 0, batcher) }
                await gate.hasBegun(1)
                for number in 1...4 { group.addTask { await self.outcome(of: number, batcher) } }
                await settle()
                gate.open()
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.filter { $0 == "0" }.count == 1)
            #expect(outcomes.filter { $0 == "uncertain" }.count == 4)
            #expect(gate.batches.count == 2)
        }
    }

    @Test func aWrongNumberOfOutcomesIsAnError() async throws {
        let batcher = Batcher<Int, Int>(label: "test") {
            (_, _) async throws(PostgresError) in [1, 2]
        }
        let error = await failure { () async throws(PostgresError) in
            try await batcher.perform(1, deadline: .soon)
        }
        #expect(error?.isUndecodable == true)
    }

    @Test func theDeadlineIsTheEarliestOfTheBatch() async throws {
        let deadlines = Mutex<[ContinuousClock.Instant]>([])
        let gate = Gate()
        let batcher = Batcher<Int, Int>(label: "test") {
            (requests, deadline) async throws(PostgresError) in
            deadlines.withLock { $0.append(deadline) }
            await gate.pass(requests)
            return requests
        }
        let now = ContinuousClock.now
        gate.close()
        await withTaskGroup(of: String.self) { group in
            group.addTask { await self.outcome(of: 0, batcher, until: now + .seconds(90)) }
            await gate.hasBegun(1)
            // The third is over before its turn comes, and takes no time from the others.
            for (number, deadline) in [
                (1, now + .seconds(80)), (2, now + .seconds(50)), (3, now + .milliseconds(5)),
                (4, now + .seconds(60)),
            ] {
                group.addTask { await self.outcome(of: number, batcher, until: deadline) }
            }
            await settle()
            gate.open()
            let outcomes = await group.reduce(into: Set<String>()) { $0.insert($1) }
            #expect(outcomes == ["0", "1", "2", "4", "uncertain"])
        }
        #expect(deadlines.withLock { $0 } == [now + .seconds(90), now + .seconds(50)])
    }

    /// A caller that goes away leads its batch to the end and passes the lead on.
    @Test func aCancelledLeaderHoldsUpNobody() async throws {
        let gate = Gate()
        let batcher = doubling(gate)
        gate.close()
        let leader = Task { try await batcher.perform(1, deadline: .soon) }
        await gate.hasBegun(1)
        let next = Task { try await batcher.perform(2, deadline: .soon) }
        let last = Task { try await batcher.perform(3, deadline: .soon) }
        await settle()
        leader.cancel()
        next.cancel()
        gate.open()
        #expect(try await leader.value == 2)
        #expect(try await next.value == 4)
        #expect(try await last.value == 6)
        #expect(try await batcher.perform(4, deadline: .soon) == 8)
    }

    @Test(arguments: [1, 3])
    func tenThousandAtOnce(concurrency: Int) async throws {
        let gate = Gate()
        let batcher = doubling(gate, concurrency: concurrency)
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<10_000 {
                group.addTask {
                    let outcome = try await batcher.perform(number % 5000, deadline: .soon)
                    return outcome == number % 5000 * 2 ? 1 : 0
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == 10_000)
        #expect(gate.batches.allSatisfy { $0.count <= 256 && Set($0).count == $0.count })
    }

    private func outcome(
        of request: Int, _ batcher: Batcher<Int, Int>,
        until deadline: ContinuousClock.Instant = .soon
    ) async -> String {
        do throws(PostgresError) {
            return "\(try await batcher.perform(request, deadline: deadline))"
        } catch {
            return error.refusedState == nil ? "uncertain" : "refused"
        }
    }
}
