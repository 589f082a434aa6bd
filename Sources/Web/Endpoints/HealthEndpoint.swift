import Cluster
import HTTPTypes
import Lease
import OAuth
import Serving
import Storage

/// `/health/live`: the process runs. It stays 200 while the database is away: a restart would not help.
struct LiveEndpoint: Endpoint {
    func answer(_ request: APIRequest, _ notes: inout RequestNotes) -> APIAnswer {
        .json(#"{"status":"live"}"#)
    }
}

/// `/health/ready`: certain answers can be given. This node has joined and holds a lease, and the primary
/// answers.
struct ReadyEndpoint: Endpoint {
    let services: Services

    func answer(_ request: APIRequest, _ notes: inout RequestNotes) async -> APIAnswer {
        // Which of them it is; the cause is in the log.
        var reason = "this node has not joined yet, or holds no secret that is not retired"
        do {
            _ = try services.node.codec()
            _ = try services.node.signingKeys()
            reason = "no lease: this node has not heard the primary database for over a second"
            if let lapsed = services.node.gate.lapsed(at: .now), lapsed > .seconds(1) {
                throw StoreError.unavailable("no lease for \(lapsed)")
            }
            reason = "no primary database answers"
            _ = try await services.store.ping()
            return .json(#"{"status":"ready"}"#)
        } catch {
            notes.error = "\(error)"
            var json = JSONObject()
            json.set("status", "unavailable")
            json.set("reason", reason)
            return .json(
                json.bytes[...], status: .serviceUnavailable, fields: [("Retry-After", "1")])
        }
    }
}
