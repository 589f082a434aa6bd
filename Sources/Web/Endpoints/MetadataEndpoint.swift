import OAuth
import Serving

/// `/.well-known/oauth-authorization-server`: what this server can do (RFC 8414).
struct MetadataEndpoint: Endpoint {
    private let document: String

    init(_ services: Services) {
        document = Metadata.document(
            issuer: services.issuer, languages: Language.allCases.map(\.rawValue))
    }

    func answer(_ request: APIRequest, _ notes: inout RequestNotes) -> APIAnswer {
        .json(document)
    }
}
