package import CoreMetrics
import Synchronization

/// A `MetricsFactory` whose instruments are read by Prometheus (text format 0.0.4).
///
/// The registry's lock is taken to make an instrument and to render, never to count: an instrument
/// counts with atomics. How many label values there are is the caller's business, since every
/// combination is kept for good.
package final class PrometheusMetrics: Sendable {
    private struct Family {
        var kind: MetricKind
        var members: [[MetricLabel]: any PrometheusInstrument] = [:]
    }

    private struct Registry {
        var families: [String: Family] = [:]
        var help: [String: String] = [:]
    }

    private let registry = Mutex(Registry())
    private let process: ProcessMetrics
    private let version: String

    /// The version goes into `doornail_build_info`.
    package init(version: String) {
        self.version = version
        process = ProcessMetrics()
    }

    /// Says what a metric means, for its `# HELP` line.
    package func describe(_ name: String, _ help: String) {
        let name = MetricText.name(name)
        registry.withLock { $0.help[name] = help }
    }

    /// The whole page, sorted, so that two readings can be compared.
    package func render() -> String {
        let (families, help) = registry.withLock { ($0.families, $0.help) }
        var output = MetricText()
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            output.family(name, family.kind, help: help[name])
            for (labels, instrument) in family.members.sorted(by: {
                $0.key.lexicographicallyPrecedes($1.key)
            }) {
                instrument.render(name, labels, to: &output)
            }
        }
        output.family("doornail_build_info", .gauge, help: "The running version, in its label.")
        output.sample(
            "doornail_build_info", [MetricLabel(name: "version", value: version)], value: 1)
        process.render(to: &output)
        return output.text
    }

    /// The instrument of a name and its labels, made by `make` where there is none.
    ///
    /// Nil if the name already belongs to another kind: one name has one type in the format.
    private func instrument<Instrument: PrometheusInstrument>(
        _ label: String, _ dimensions: [(String, String)], _ kind: MetricKind,
        _ make: () -> Instrument
    ) -> Instrument? {
        let name = MetricText.name(label)
        let labels = MetricLabel.list(dimensions)
        return registry.withLock { registry in
            var family = registry.families[name] ?? Family(kind: kind)
            guard family.kind == kind else { return nil }
            if let existing = family.members[labels] { return existing as? Instrument }
            let made = make()
            family.members[labels] = made
            registry.families[name] = family
            return made
        }
    }

    private func remove(_ handler: AnyObject) {
        registry.withLock { registry in
            for (name, var family) in registry.families {
                guard let labels = family.members.first(where: { $0.value === handler })?.key
                else { continue }
                family.members[labels] = nil
                registry.families[name] = family.members.isEmpty ? nil : family
                return
            }
        }
    }
}

extension PrometheusMetrics: MetricsFactory {
    package func makeCounter(
        label: String, dimensions: [(String, String)]
    ) -> any CounterHandler {
        instrument(label, dimensions, .counter) { PrometheusCounter() }
            ?? NOOPMetricsHandler.instance
    }

    package func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        instrument(label, dimensions, .counter) { PrometheusFloatingCounter() }
            ?? NOOPMetricsHandler.instance
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        instrument(label, dimensions, .gauge) { PrometheusGauge() } ?? NOOPMetricsHandler.instance
    }

    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        guard aggregate else {
            return instrument(label, dimensions, .gauge) { PrometheusGauge() }
                ?? NOOPMetricsHandler.instance
        }
        return instrument(label, dimensions, .histogram) {
            PrometheusHistogram(bounds: PrometheusHistogram.counts)
        } ?? NOOPMetricsHandler.instance
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        instrument(label, dimensions, .histogram) {
            PrometheusHistogram(bounds: PrometheusHistogram.seconds)
        } ?? NOOPMetricsHandler.instance
    }

    package func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {
        remove(handler)
    }
    package func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    package func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    package func destroyTimer(_ handler: any TimerHandler) { remove(handler) }
}
