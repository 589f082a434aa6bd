import AsyncHTTPClient
import Foundation
import Hummingbird
import Logging

/// An API with two routes, which lets in whom Doornail vouches for at this very request.
@main
enum PhotosAPI {
    static func main() async {
        do {
            try await serve()
        } catch {
            fail("\(error)", code: 1)
        }
    }

    static func serve() async throws {
        let audience = setting("AUDIENCE")
        guard let port = Int(setting("PORT")) else { fail("PORT is no number") }

        // One client for the process: it keeps connections, so that asking costs one round trip.
        // Whatever would send the token elsewhere is refused.
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout = .init(connect: .seconds(1), read: Introspector.deadline)
        try await HTTPClient.withHTTPClient(configuration: configuration) { http in
            let introspector = Introspector(
                issuer: setting("DOORNAIL_ISSUER"), clientID: setting("CLIENT_ID"),
                clientSecret: setting("CLIENT_SECRET"), http: http)
            let application = Application(
                router: routes(Door(introspector: introspector, audience: audience)),
                configuration: .init(address: .hostname("127.0.0.1", port: port)))
            try await application.runService()
        }
    }

    /// What needs which scope, on one screen.
    static func routes(_ door: Door) -> Router<OpenContext> {
        let router = Router(context: OpenContext.self)
        router.requiring("photos:read", at: door).get("photos") { _, context in
            Photos(of: context.caller.subject, photos: ["sunrise.jpg", "harbour.jpg"])
        }
        router.requiring("photos:write", at: door).post("photos") { _, context in
            context.logger.info("added a photo", metadata: ["sub": "\(context.caller.subject)"])
            return HTTPResponse.Status.created
        }
        return router
    }

    /// A setting of the environment, which `examples/resource-server/run` fills.
    static func setting(_ name: String) -> String {
        guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else {
            fail("\(name) is not set")
        }
        return value
    }

    static func fail(_ words: String, code: CInt = 2) -> Never {
        FileHandle.standardError.write(Data("PhotosAPI: \(words)\n".utf8))
        exit(code)
    }
}

/// The answer of `GET /photos`.
struct Photos: ResponseEncodable {
    let of: String
    let photos: [String]
}
