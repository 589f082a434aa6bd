import Cluster
import NIOCore
import NIOHTTP1
import OAuth
import Serving
import Storage

/// A form that was sent by a client that has authenticated: what /token, /revoke and /introspect
/// begin with.
struct ClientRequest: Sendable {
    let form: Form
    let client: AuthenticatedClient
    /// The key ids that were not retired when the client was read.
    let unretiredKeyIDs: Set<UInt8>
    /// When it must have its answer from the database, in all.
    let deadline: ContinuousClock.Instant
    /// The name under which the request is found in the logs.
    let requestID: String

    /// Reads the form and checks who sent it.
    init(
        _ request: APIRequest, _ services: Services, _ notes: inout RequestNotes
    ) async throws {
        let types = request.headers["content-type"]
        guard types.count == 1, Form.isForm(contentType: types[0]) else {
            throw HTTPRefusal.notAForm
        }
        form = try Form(parsing: request.body.readableBytesView)
        deadline = request.deadline
        requestID = request.id
        let credentials = try PresentedCredentials(
            authorization: request.headers["authorization"], form: form)
        let read = try await services.node.client(credentials.clientID, by: deadline)
        unretiredKeyIDs = read.unretiredKeyIDs
        // Only an id that exists is logged: anything else may be a secret in the wrong place.
        notes.clientID = read.client?.clientID
        do {
            client = try AuthenticatedClient.verify(
                credentials, client: read.client, readAt: read.readAt)
        } catch {
            if error.isWrongSecret {
                let throttle = Throttle.clientSecret(
                    clientID: credentials.clientID, network: request.client.throttleNetwork)
                if let refusal = try await services.store.countFailure([throttle], by: deadline) {
                    throw refusal
                }
            }
            throw error.error
        }
    }
}

extension APIRequest {
    /// When it must have its answer from the database, in all.
    var deadline: ContinuousClock.Instant { arrivedAt + Limits.storeDeadline }
}
