import ArgumentParser
import OAuth
import Storage

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

    struct Answer: Encodable {
        var active: Bool
        var why: String?
        var token_type: String?
        var token_use: String?
        var client_id: String?
        var sub: String?
        var scope: String?
        var iss: String?
        var aud: Audience?
        var exp: Int64?
        var iat: Int64?
        var nbf: Int64?
        var jti: String?
        var key_id: Int?
    }

    /// One audience as a string, several as a list, as `/introspect` has it.
    struct Audience: Encodable {
        let uris: [String]

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            if uris.count == 1 {
                try container.encode(uris[0])
            } else {
                try container.encode(uris)
            }
        }
    }

    func run() async throws {
        let text = try Console.readSecret(named: "token")
        let (explain, json) = (explain, output.json)
        try await Database.with(database) { database, settings in
            let answer = try await Self.answer(
                text, settings, database.store, explain: explain)
            if json {
                try Console.print(json: answer)
            } else {
                Self.printText(answer)
            }
        }
    }

    private static func answer(
        _ text: Redacted<String>, _ settings: Settings, _ store: Store, explain: Bool
    ) async throws -> Answer {
        guard let token = try await Keys.open(text, settings, store) else {
            return Answer(
                active: false,
                why: explain ? Liveness.CauseOfDeath.forged.rawValue : nil)
        }
        let state = try await store.liveness(of: token)
        let liveness = Liveness.of(token, in: state)
        if liveness != .alive, !explain { return Answer(active: false) }
        var answer = Answer(active: liveness == .alive)
        if case .dead(let cause) = liveness { answer.why = cause.rawValue }
        answer.token_type = "Bearer"
        answer.token_use = "access_token"
        answer.client_id = state.client?.clientID
        answer.sub = state.client?.clientID
        answer.iss = settings[.issuer]
        answer.scope = token.scope.isEmpty ? nil : token.scope.description
        answer.aud = token.audience.isEmpty ? nil : Audience(uris: token.audience)
        answer.iat = token.issuedAt.seconds
        answer.nbf = token.issuedAt.seconds
        answer.exp = token.expiresAt.seconds
        answer.jti = token.id.description
        answer.key_id = Int(token.keyID)
        return answer
    }

    private static func printText(_ answer: Answer) {
        print(answer.active ? "active" : "not active" + (answer.why.map { ": \($0)" } ?? ""))
        let rows: [(String, String?)] = [
            ("client", answer.client_id), ("scope", answer.scope),
            ("audience", answer.aud?.uris.joined(separator: " ")),
            ("issued", answer.iat.map { UnixTime(seconds: $0).text }),
            ("expires", answer.exp.map { UnixTime(seconds: $0).text }), ("id", answer.jti),
            ("key id", answer.key_id.map(String.init)),
        ]
        for (name, value) in rows {
            if let value { print("  \(name): \(value)") }
        }
    }
}
