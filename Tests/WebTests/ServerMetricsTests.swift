import Metrics
import Foundation
import Testing

@testable import Serving
@testable import Web

/// What Prometheus reads.
@Suite struct ServerMetricsTests {
    private func lines(_ metrics: PrometheusMetrics, _ prefix: String) -> [String] {
        metrics.render().split(separator: "\n").map(String.init).filter {
            $0.hasPrefix(prefix) || $0.hasPrefix("# HELP \(prefix)")
                || $0.hasPrefix("# TYPE \(prefix)")
        }
    }

    @Test func countersWithLabelsAreSortedUnderOneHeading() {
        let metrics = PrometheusMetrics(version: "1")
        metrics.describe("things_total", "Things,\nand \\ \"more\".")
        metrics.makeCounter(label: "things_total", dimensions: [("b", "2"), ("a", "z")])
            .increment(by: 2)
        metrics.makeCounter(label: "things_total", dimensions: [("a", "y"), ("b", "1")])
            .increment(by: 1)
        metrics.makeCounter(label: "things_total", dimensions: [("a", "z"), ("b", "2")])
            .increment(by: 3)
        metrics.makeCounter(label: "things_total", dimensions: []).increment(by: -7)
        #expect(
            lines(metrics, "things_total") == [
                #"# HELP things_total Things,\nand \\ "more"."#, "# TYPE things_total counter",
                "things_total 0", #"things_total{a="y",b="1"} 1"#, #"things_total{a="z",b="2"} 5"#,
            ])
    }

    @Test func labelsAreEscapedAndNamesMadeValid() {
        let metrics = PrometheusMetrics(version: "1")
        metrics.makeCounter(
            label: "1.a-b:é", dimensions: [("x.y:z", "q\"b\\s\nn\u{301}")]
        ).increment(by: 1)
        #expect(metrics.render().contains("_1_a_b:_{x_y_z=\"q\\\"b\\\\s\\nn\u{301}\"} 1\n"))
    }

    @Test func timersAreHistogramsInSeconds() {
        let metrics = PrometheusMetrics(version: "1")
        let timer = metrics.makeTimer(label: "t_seconds", dimensions: [("e", "x")])
        for nanoseconds: Int64 in [500_000, 500_001, 10_000_000_000, 11_000_000_000] {
            timer.recordNanoseconds(nanoseconds)
        }
        let found = lines(metrics, "t_seconds")
        #expect(found.first == "# TYPE t_seconds histogram")
        #expect(found.count == 1 + 15 + 2)
        #expect(found.contains(#"t_seconds_bucket{e="x",le="0.0005"} 1"#))
        #expect(found.contains(#"t_seconds_bucket{e="x",le="0.001"} 2"#))
        #expect(found.contains(#"t_seconds_bucket{e="x",le="10"} 3"#))
        #expect(found.contains(#"t_seconds_bucket{e="x",le="+Inf"} 4"#))
        #expect(found.contains(#"t_seconds_sum{e="x"} 21.001000001"#))
        #expect(found.contains(#"t_seconds_count{e="x"} 4"#))
    }

    @Test func recordersAndGauges() {
        let metrics = PrometheusMetrics(version: "1")
        let sizes = metrics.makeRecorder(label: "size", dimensions: [], aggregate: true)
        for size: Int64 in [1, 2, 3, 2000] { sizes.record(size) }
        sizes.record(Double.nan)
        #expect(lines(metrics, "size_bucket{le=\"4\"}") == [#"size_bucket{le="4"} 3"#])
        #expect(lines(metrics, "size_bucket{le=\"1024\"}") == [#"size_bucket{le="1024"} 3"#])
        #expect(lines(metrics, "size_sum") == ["size_sum 2006"])
        let gauge = metrics.makeMeter(label: "level", dimensions: [])
        gauge.set(2.5)
        gauge.increment(by: 1)
        gauge.decrement(by: 5)
        #expect(lines(metrics, "level") == ["# TYPE level gauge", "level -1.5"])
        metrics.makeRecorder(label: "last", dimensions: [], aggregate: false).record(7.25)
        #expect(lines(metrics, "last") == ["# TYPE last gauge", "last 7.25"])
        metrics.makeMeter(label: "odd", dimensions: []).set(Double.infinity)
        #expect(lines(metrics, "odd").last == "odd +Inf")
    }

    @Test func oneNameHasOneType() {
        let metrics = PrometheusMetrics(version: "1")
        metrics.makeCounter(label: "x", dimensions: []).increment(by: 1)
        metrics.makeMeter(label: "x", dimensions: [("a", "b")]).set(Int64(5))
        #expect(lines(metrics, "x") == ["# TYPE x counter", "x 1"])
    }

    @Test func destroyedInstrumentsAreGone() {
        let metrics = PrometheusMetrics(version: "1")
        let counter = metrics.makeCounter(label: "gone", dimensions: [])
        metrics.destroyCounter(counter)
        #expect(lines(metrics, "gone").isEmpty)
    }

    @Test func theProcessAndTheVersionAreThere() {
        let page = PrometheusMetrics(version: #"1.0"beta"#).render()
        #expect(page.contains(#"doornail_build_info{version="1.0\"beta"} 1"#))
        for name in [
            "process_cpu_seconds_total", "process_open_fds", "process_resident_memory_bytes",
            "process_start_time_seconds",
        ] {
            let value = page.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
                .flatMap { Double($0.dropFirst(name.count + 1)) }
            #expect((value ?? -1) >= 0, "\(name)")
        }
        let started = page.split(separator: "\n")
            .first { $0.hasPrefix("process_start_time_seconds ") }
            .flatMap { Double($0.split(separator: " ")[1]) }
        #expect(abs((started ?? 0) - Date().timeIntervalSince1970) < 86_400)
    }

    @Test func countingFromManyThreadsLosesNothing() async {
        let metrics = PrometheusMetrics(version: "1")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let counter = metrics.makeCounter(label: "c_total", dimensions: [("a", "b")])
                    let timer = metrics.makeTimer(label: "t", dimensions: [])
                    for _ in 0..<10_000 {
                        counter.increment(by: 1)
                        timer.recordNanoseconds(1_000_000_000)
                    }
                }
            }
        }
        #expect(lines(metrics, "c_total").last == #"c_total{a="b"} 80000"#)
        #expect(lines(metrics, "t_sum") == ["t_sum 80000"])
        #expect(lines(metrics, "t_count") == ["t_count 80000"])
    }
}
