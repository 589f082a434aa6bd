import Benchmark
import CCounters

extension BenchmarkMetric {
    static let allocations = BenchmarkMetric.custom("Allocations")
    /// Not the library's own metric: these are counted one by one, on every Linux machine.
    static let steppedInstructions = BenchmarkMetric.custom("Instructions (stepped)")
}

extension Benchmark {
    /// Registers a benchmark that counts what one call costs once everything is warm.
    ///
    /// Counts do not differ from call to call, so one is enough, and thresholds can be narrow.
    static func count(_ name: String, _ call: @escaping () -> Void) {
        let closure: BenchmarkClosure = { benchmark in
            call()
            benchmark.measurement(.allocations, allocations(call))
            benchmark.measurement(.steppedInstructions, instructions(call) - instructions {})
        }
        Benchmark(
            name,
            configuration: Configuration(
                metrics: [.allocations, .steppedInstructions],
                units: [.allocations: .count, .steppedInstructions: .count], warmupIterations: 0,
                maxDuration: .seconds(60), maxIterations: 1,
                thresholds: [
                    .allocations: BenchmarkThresholds(absolute: [.p90: 0]),
                    .steppedInstructions: BenchmarkThresholds(relative: [.p90: 3]),
                ]),
            closure: closure)
    }
}

private func allocations(_ call: () -> Void) -> Int {
    let before = counters_allocations()
    call()
    return counters_allocations() - before
}

private func instructions(_ call: () -> Void) -> Int {
    let count = counters_step()
    if count == Int(COUNTERS_CHILD) {
        call()
        counters_stop()
    }
    guard count != Int(COUNTERS_FAILED) else {
        fatalError("instructions cannot be counted: this system does not allow ptrace")
    }
    return count
}
