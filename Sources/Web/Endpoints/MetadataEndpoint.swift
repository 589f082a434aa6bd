import HTTPTypes
import Hummingbird
import OAuth

/// `/.well-known/oauth-authorization-server`: what this server can do (RFC 8414).
struct MetadataEndpoint: Sendable {
    private let document: String

    init(_ services: Services) {
        document = Metadata.document(
            issuer: services.issuer, languages: Language.allCases.map(\.rawValue))
    }

    @Sendable
    func answer(_ request: Request, _ context: DoornailContext) -> Response {
        Answer.json(document)
    }
}
