import HTTPTypes
import Serving

/// `/metrics`, in Prometheus' text format.
struct MetricsEndpoint: Endpoint {
    let metrics: @Sendable () -> String

    func answer(_ request: APIRequest, _ notes: inout RequestNotes) -> APIAnswer {
        APIAnswer(
            status: .ok, contentType: "text/plain; version=0.0.4; charset=utf-8",
            body: Array(metrics().utf8)[...])
    }
}
