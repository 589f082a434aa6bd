import OAuth
import Serving

/// One grant at `/token`: what a client presents, and the tokens that it gets for it.
protocol TokenExchange: Sendable {
    func response(
        to sent: ClientRequest, _ notes: inout RequestNotes
    ) async throws -> TokenResponse
}
