import HTTPTypes
import Cluster
import Hummingbird
import OAuth
import Storage

/// `/health/live` and `/health/ready`: for balancers and supervisors.
struct HealthEndpoint: Sendable {
    private let services: Services

    init(_ services: Services) {
        self.services = services
    }

    /// The process runs. It stays 200 while the database is away: a restart would not help.
    @Sendable
    static func live(_ request: Request, _ context: DoornailContext) -> Response {
        Answer.json(#"{"status":"live"}"#)
    }

    /// Certain answers can be given: this node has joined and holds a lease, and the primary answers.
    @Sendable
    func ready(_ request: Request, _ context: DoornailContext) async throws -> Response {
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
            return Answer.json(#"{"status":"ready"}"#)
        } catch {
            context.log.error = "\(error)"
            var json = JSONObject()
            json.set("status", "unavailable")
            json.set("reason", reason)
            return Answer.json(
                json.encoded, status: .serviceUnavailable, headers: [.retryAfter: "1"])
        }
    }
}
