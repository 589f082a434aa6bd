import Serving

/// An endpoint that programs call: a file each. What it throws becomes its answer (``Failure``).
protocol Endpoint: Sendable {
    /// - Parameter notes: what the access log is to say of the request.
    func answer(_ request: APIRequest, _ notes: inout RequestNotes) async throws -> APIAnswer
}
