import ArgumentParser
import OAuth
import Operations

/// `doornail introspect`: says whether a token is alive, and why it is dead.
struct IntrospectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "introspect",
        abstract: "Say whether a token, read from standard input, is alive.",
        discussion: """
            echo "$TOKEN" | doornail introspect --explain
            """)

    @Flag(help: "Also say why a token is dead.")
    var explain = false

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let text = try Console.readSecret(named: "token")
        let (explain, json) = (explain, output.json)
        try await Database.with(database) { operations, settings in
            let document = try await operations.introspect(
                text, secrets: settings.secrets(), issuer: settings.text(Setting.issuer),
                explaining: explain)
            if json {
                try Console.print(json: document)
            } else {
                Self.printText(document)
            }
        }
    }

    private static func printText(_ document: TokenDocument) {
        print(document.active ? "active" : "not active" + (document.why.map { ": \($0)" } ?? ""))
        let rows: [(String, String?)] = [
            ("use", document.token_use), ("client", document.client_id),
            ("user", document.username),
            ("session", document.session), ("grant", document.grant), ("scope", document.scope),
            ("audience", document.aud?.uris.joined(separator: " ")),
            ("issued", document.iat.map { UnixTime(seconds: $0).text }),
            ("expires", document.exp.map { UnixTime(seconds: $0).text }), ("id", document.jti),
            ("key id", document.key_id.map(String.init)),
        ]
        for (name, value) in rows {
            if let value { print("  \(name): \(printable(value))") }
        }
    }
}
