import Foundation
import HTTPTypes
import Testing
import Web
import Yams

/// `openapi.yaml` describes the router, no more and no less.
@Suite struct RouteTests {
    private func document() throws -> [String: Any] {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "openapi.yaml")
        let text = try String(contentsOf: file, encoding: .utf8)
        return try #require(Yams.load(yaml: text) as? [String: Any])
    }

    @Test func theRouterIsTheDocument() throws {
        let paths = try #require(document()["paths"] as? [String: [String: Any]])
        let methods: Set<String> = ["get", "head", "post", "put", "patch", "delete", "options"]
        var described: [String: Set<String>] = [:]
        // Those with a server of their own are on the admin listener.
        for (path, item) in paths where item["servers"] == nil {
            described[path] = Set(item.keys).intersection(methods)
        }
        var routed: [String: Set<String>] = [:]
        for route in Route.allCases {
            var methods = Set(route.methods.map { $0.rawValue.lowercased() })
            if route.allowsAnyOrigin { methods.insert("options") }
            routed[route.rawValue] = methods
        }
        #expect(described == routed)
    }

    @Test(arguments: [
        (Route.token, "", "/token"), (.token, "/tenant", "/tenant/token"),
        (.metadata, "", "/.well-known/oauth-authorization-server"),
        (.metadata, "/a/b", "/.well-known/oauth-authorization-server/a/b"),
        (.live, "/tenant", "/health/live"), (.ready, "/tenant", "/health/ready"),
    ])
    func pathsBelowAnIssuer(route: Route, issuer: String, path: String) {
        #expect(route.path(for: issuer) == path)
    }
}
