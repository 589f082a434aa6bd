import CoreMetrics
import Synchronization

/// Something that counts and can be written as samples.
protocol PrometheusInstrument: AnyObject, Sendable {
    func render(_ name: String, _ labels: [MetricLabel], to output: inout MetricText)
}

/// A count of whole things.
final class PrometheusCounter: PrometheusInstrument, CounterHandler {
    private let value = Atomic<Int64>(0)

    /// A counter never goes down; a negative step is a mistake and ignored.
    func increment(by amount: Int64) {
        guard amount > 0 else { return }
        value.wrappingAdd(amount, ordering: .relaxed)
    }

    func reset() {
        value.store(0, ordering: .relaxed)
    }

    func render(_ name: String, _ labels: [MetricLabel], to output: inout MetricText) {
        output.sample(name, labels, count: value.load(ordering: .relaxed))
    }
}

/// A Double that many threads add to.
final class AtomicDouble: Sendable {
    private let bits = Atomic<UInt64>(0)

    var value: Double {
        get { Double(bitPattern: bits.load(ordering: .relaxed)) }
        set { bits.store(newValue.bitPattern, ordering: .relaxed) }
    }

    func add(_ amount: Double) {
        var current = bits.load(ordering: .relaxed)
        while true {
            let sum = Double(bitPattern: current) + amount
            let (exchanged, original) = bits.weakCompareExchange(
                expected: current, desired: sum.bitPattern, ordering: .relaxed)
            if exchanged { return }
            current = original
        }
    }
}

/// A sum that only grows, of amounts that are not whole.
final class PrometheusFloatingCounter: PrometheusInstrument, FloatingPointCounterHandler {
    private let sum = AtomicDouble()

    func increment(by amount: Double) {
        guard amount > 0, amount.isFinite else { return }
        sum.add(amount)
    }

    func reset() {
        sum.value = 0
    }

    func render(_ name: String, _ labels: [MetricLabel], to output: inout MetricText) {
        output.sample(name, labels, value: sum.value)
    }
}

/// A value that goes up and down.
final class PrometheusGauge: PrometheusInstrument, MeterHandler, RecorderHandler {
    private let current = AtomicDouble()

    func set(_ value: Int64) { current.value = Double(value) }
    func set(_ value: Double) { current.value = value }
    func increment(by amount: Double) { current.add(amount) }
    func decrement(by amount: Double) { current.add(-amount) }
    func record(_ value: Int64) { current.value = Double(value) }
    func record(_ value: Double) { current.value = value }

    func render(_ name: String, _ labels: [MetricLabel], to output: inout MetricText) {
        output.sample(name, labels, value: current.value)
    }
}

/// A distribution over fixed buckets.
final class PrometheusHistogram: PrometheusInstrument, RecorderHandler, TimerHandler {
    /// For durations: half a millisecond to ten seconds.
    static let seconds = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    /// For sizes of batches and the like.
    static let counts: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

    /// An atomic cannot be an array's element; an object that holds one can.
    private final class Cell: Sendable {
        let count = Atomic<Int64>(0)
    }

    private let bounds: [Double]
    /// One per bound, and the last for what is above them all.
    private let cells: [Cell]
    private let sum = AtomicDouble()

    init(bounds: [Double]) {
        self.bounds = bounds
        cells = (0...bounds.count).map { _ in Cell() }
    }

    func record(_ value: Int64) {
        record(Double(value))
    }

    func record(_ value: Double) {
        guard value.isFinite else { return }
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        cells[index].count.wrappingAdd(1, ordering: .relaxed)
        sum.add(value)
    }

    func recordNanoseconds(_ duration: Int64) {
        record(Double(duration) / 1_000_000_000)
    }

    /// The count is the sum of the buckets, so that a page never contradicts itself while others
    /// are counting.
    func render(_ name: String, _ labels: [MetricLabel], to output: inout MetricText) {
        var total: Int64 = 0
        for (index, cell) in cells.enumerated() {
            total += cell.count.load(ordering: .relaxed)
            let bound = index < bounds.count ? MetricText.number(bounds[index]) : "+Inf"
            output.sample(
                name + "_bucket", labels + [MetricLabel(name: "le", value: bound)], count: total)
        }
        output.sample(name + "_sum", labels, value: sum.value)
        output.sample(name + "_count", labels, count: total)
    }
}
