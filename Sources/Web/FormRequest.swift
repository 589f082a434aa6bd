import Cluster
import HTTPTypes
import Hummingbird
import NIOCore
import OAuth
import Storage

/// A form that was sent by a client that has authenticated: what /token, /revoke and /introspect
/// begin with.
struct FormRequest {
    let form: Form
    let client: AuthenticatedClient
    /// The key ids that were not retired when the client was read.
    let unretiredKeyIDs: Set<UInt8>

    /// Reads the body and checks who sent it.
    init(
        _ request: Request, _ context: DoornailContext, _ services: Services
    ) async throws {
        guard Form.isForm(contentType: request.headers[.contentType]) else {
            throw HTTPRefusal(
                .unsupportedMediaType, "the Content-Type must be application/x-www-form-urlencoded")
        }
        let body: ByteBuffer
        do {
            body = try await request.body.collect(upTo: Limits.bodyBytes)
        } catch is NIOTooManyBytesError {
            throw HTTPRefusal(
                .contentTooLarge, "the body is larger than \(Limits.bodyBytes) bytes")
        }
        form = try Form(parsing: body.readableBytesView)
        let credentials = try PresentedCredentials(
            authorization: request.headers[values: .authorization], form: form)
        let read = try await services.node.client(
            credentials.clientID, by: context.deadline)
        unretiredKeyIDs = read.unretiredKeyIDs
        client = try await FormRequest.authenticate(credentials, read, context, services)
    }

    private static func authenticate(
        _ credentials: PresentedCredentials, _ read: ClientRead, _ context: DoornailContext,
        _ services: Services
    ) async throws -> AuthenticatedClient {
        // Only an id that exists is logged: anything else may be a secret in the wrong place.
        context.log.clientID = read.client?.clientID
        do {
            return try AuthenticatedClient.verify(
                credentials, client: read.client, readAt: read.readAt)
        } catch {
            if error.isWrongSecret {
                let network = context.clientAddress.throttleNetwork
                let throttle = Throttle.clientSecret(
                    clientID: credentials.clientID, network: network)
                if let refusal = try await services.store.countFailure(
                    [throttle], by: context.deadline)
                {
                    throw refusal
                }
            }
            throw error.error
        }
    }
}

/// A refusal that HTTP has a status for and OAuth has none.
struct HTTPRefusal: Error {
    let status: HTTPResponse.Status
    let description: String

    init(_ status: HTTPResponse.Status, _ description: String) {
        self.status = status
        self.description = description
    }
}
