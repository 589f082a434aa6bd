import Cluster
import HTTPTypes
import NIOHTTP1
import OAuth
package import Serving

/// The endpoints of a listener that programs call, by their paths: which methods they have, who may call
/// them, and what comes of their errors.
package struct EndpointTable: API {
    /// An endpoint and what holds for it.
    struct Entry: Sendable {
        let methods: [String]
        /// Whether pages of any origin may call it, without credentials (Fetch Standard §3.2).
        let allowsAnyOrigin: Bool
        /// Whether it has no answer before this node has joined the others.
        let needsNode: Bool
        let endpoint: any Endpoint

        init(_ route: Route, _ endpoint: any Endpoint) {
            methods = route.methods.map(\.rawValue)
            allowsAnyOrigin = route.allowsAnyOrigin
            needsNode = route.needsDatabase
            self.endpoint = endpoint
        }

        init(method: String, _ endpoint: any Endpoint) {
            methods = [method]
            allowsAnyOrigin = false
            needsNode = false
            self.endpoint = endpoint
        }
    }

    private let entries: [String: Entry]
    private let node: Node

    init(_ entries: [String: Entry], node: Node) {
        self.entries = entries
        self.node = node
    }

    package func has(_ path: String) -> Bool { entries[path] != nil }

    package func answer(_ request: APIRequest, _ notes: inout RequestNotes) async -> APIAnswer {
        guard let entry = entries[request.path] else {
            return Failure.nothingHere.answer
        }
        if request.method == .OPTIONS, entry.allowsAnyOrigin { return entry.preflight }
        var answer: APIAnswer
        if !entry.methods.contains(request.method.rawValue) {
            notes.outcome = "refused"
            answer = Failure.noSuchMethod(request.method.rawValue, entry.allowed).answer
        } else {
            do {
                // Until it has joined, nobody sees to it that what waits is answered in time.
                if entry.needsNode { _ = try node.codec() }
                answer = try await entry.endpoint.answer(request, &notes)
            } catch {
                answer = Failure(error, &notes).answer
            }
        }
        if entry.allowsAnyOrigin { answer.fields.append(Self.anyOrigin) }
        return answer
    }

    fileprivate static let anyOrigin = (name: "Access-Control-Allow-Origin", value: "*")
}

extension EndpointTable.Entry {
    fileprivate var preflight: APIAnswer {
        APIAnswer(
            status: .noContent, contentType: nil, body: [],
            fields: [
                EndpointTable.anyOrigin,
                ("Access-Control-Allow-Methods", methods.joined(separator: ", ")),
                ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
                ("Access-Control-Max-Age", "86400"),
            ])
    }

    fileprivate var allowed: [String] { methods + (allowsAnyOrigin ? ["OPTIONS"] : []) }
}
