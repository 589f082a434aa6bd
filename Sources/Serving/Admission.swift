package import Logging
package import Metrics
import NIOCore
import Synchronization

/// Gives connections their places at one listener, and immediately closes those that get none.
///
/// To close them tells a balancer to try another node, where one that is not accepted hangs. Trusted
/// proxies stand for many, so theirs are counted in all alone.
package final class Admission: Sendable {
    private struct State {
        var places: ConnectionPlaces
        var told: [ConnectionPlaces.Refusal: SparseNote] = [:]
    }

    let limits: HTTPLimits
    let proxies: TrustedProxies
    private let logger: Logger
    private let open: Gauge
    private let refused: [ConnectionPlaces.Refusal: Counter]
    private let state: Mutex<State>

    /// - Parameter listener: its name in metrics and in the log.
    package init(
        _ listener: String, limits: HTTPLimits, proxies: TrustedProxies,
        metrics: any MetricsFactory = MetricsSystem.factory, logger: Logger
    ) {
        self.limits = limits
        self.proxies = proxies
        var logger = logger
        logger[metadataKey: "listener"] = "\(listener)"
        self.logger = logger
        state = Mutex(State(places: ConnectionPlaces(limits: limits)))
        open = Gauge(
            label: "doornail_connections", dimensions: [("listener", listener)], factory: metrics)
        refused = Dictionary(
            uniqueKeysWithValues: ConnectionPlaces.Refusal.allCases.map {
                let dimensions = [("listener", listener), ("reason", $0.rawValue)]
                return (
                    $0,
                    Counter(
                        label: "doornail_connections_refused_total", dimensions: dimensions,
                        factory: metrics)
                )
            })
        if let prometheus = metrics as? PrometheusMetrics {
            prometheus.describe("doornail_connections", "Connections that are open.")
            prometheus.describe(
                "doornail_connections_refused_total", "Connections that were closed at once.")
        }
    }

    /// Whether a connection has a place, which it gives back as it closes.
    func admits(_ channel: any Channel) -> Bool {
        let address = channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) }
        let network = address.flatMap { proxies.contains($0) ? nil : $0.network }
        let (refusal, count) = state.withLock { state in
            let refusal = state.places.take(network)
            open.record(state.places.taken)
            guard let refusal else { return (ConnectionPlaces.Refusal?.none, Int?.none) }
            return (
                refusal,
                state.told[refusal, default: SparseNote(everySeconds: 10)].happened(at: .now())
            )
        }
        guard let refusal else {
            channel.closeFuture.whenComplete { _ in self.free(network) }
            return true
        }
        refused[refusal]?.increment()
        if let count {
            logger.warning(
                "connections are refused",
                metadata: [
                    "reason": "\(refusal.rawValue)", "refused": .stringConvertible(count),
                    "address": "\(address?.description ?? "unknown")",
                    "most": .stringConvertible(
                        refusal == .all ? limits.connections : limits.connectionsByAddress),
                ])
        }
        return false
    }

    private func free(_ network: IPAddress?) {
        state.withLock { state in
            state.places.free(network)
            open.record(state.places.taken)
        }
    }
}
