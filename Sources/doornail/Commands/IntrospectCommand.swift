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
        var username: String?
        var session: String?
        var grant: String?
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
        var answer = Answer(active: true)
        if case .dead(let cause) = liveness {
            guard explain else { return Answer(active: false) }
            answer = Answer(active: false, why: cause.rawValue)
        }
        answer.client_id = state.client?.clientID
        answer.iss = settings[.issuer]
        answer.key_id = Int(token.keyID)
        answer.grant = token.grant?.description
        answer.session = state.grant?.session.description
        answer.username = state.user?.username
        // A deleted user's grant still says whose it was.
        answer.sub =
            token.grant == nil ? state.client?.clientID : state.grant?.user.description
        var scope = state.grant?.scope
        var audience = state.grant?.audience
        switch token {
        case .access(let access):
            scope = access.scope ?? scope
            audience = access.audience ?? audience
            answer.token_type = "Bearer"
            answer.token_use = "access_token"
            answer.iat = access.issuedAt.seconds
            answer.nbf = access.issuedAt.seconds
            answer.exp = access.expiresAt.seconds
            answer.jti = access.id.description
        case .refresh:
            answer.token_use = "refresh_token"
            // The row knows the times of the newest one alone.
            if case .alive(let live) = liveness {
                answer.iat = live.issuedAt.seconds
                answer.exp = live.expiresAt.seconds
            }
        }
        if let scope, !scope.isEmpty { answer.scope = scope.description }
        if let audience, !audience.isEmpty { answer.aud = Audience(uris: audience) }
        return answer
    }

    private static func printText(_ answer: Answer) {
        print(answer.active ? "active" : "not active" + (answer.why.map { ": \($0)" } ?? ""))
        let rows: [(String, String?)] = [
            ("use", answer.token_use), ("client", answer.client_id), ("user", answer.username),
            ("session", answer.session), ("grant", answer.grant), ("scope", answer.scope),
            ("audience", answer.aud?.uris.joined(separator: " ")),
            ("issued", answer.iat.map { UnixTime(seconds: $0).text }),
            ("expires", answer.exp.map { UnixTime(seconds: $0).text }), ("id", answer.jti),
            ("key id", answer.key_id.map(String.init)),
        ]
        for (name, value) in rows {
            if let value { print("  \(name): \(Console.printable(value))") }
        }
    }
}
