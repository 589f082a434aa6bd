import ArgumentParser
import Cluster
import OAuth
import Storage

/// `doornail revoke`: ends things, and returns once that holds on every node.
struct RevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "End a token, or everything that was issued to a client.",
        discussion: """
            Exits 0 only once no node says active any more.

              echo "$TOKEN" | doornail revoke token
              doornail revoke client photos
            """,
        subcommands: [Token.self, Client.self])

    struct Token: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "token", abstract: "End one token, read from standard input.")

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        struct Nothing: Encodable {
            let ended: String?
            let reason: String
        }

        func run() async throws {
            let json = output.json
            let text = try Console.readSecret(named: "token")
            try await Database.with(database) { database, settings in
                guard let token = try await Keys.open(text, settings, database.store) else {
                    let reason = "it is no token of this server, so nothing was alive"
                    if json {
                        try Console.print(json: Nothing(ended: nil, reason: reason))
                    } else {
                        print("Nothing to end: \(reason).")
                    }
                    return
                }
                let receipt = try await database.revoker.end(
                    .token(token), because: Cause(reason: "revoked", actor: Console.actor))
                try Ended(kind: "token", subject: token.id.description, receipt: receipt)
                    .print(json: json)
            }
        }
    }

    struct Client: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "client",
            abstract: "End everything that was issued to a client; it may get new tokens.")

        @Argument(help: "The client's id.")
        var name: Name

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let (id, json) = (name.text, output.json)
            try await Database.with(database) { database, _ in
                let receipt = try await database.revoker.end(
                    .client(id), because: Cause(reason: "revoked", actor: Console.actor))
                try Ended(kind: "client", subject: id, receipt: receipt).print(json: json)
            }
        }
    }
}

/// Opens tokens for commands, which are no nodes.
enum Keys {
    /// The token that a text is, nil where it is none of ours.
    static func open(
        _ text: Redacted<String>, _ settings: Settings, _ store: Store
    ) async throws -> AccessToken? {
        let ring: KeyRing
        do {
            ring = try await Node.ring(for: settings.secrets(), from: store)
        } catch let error as Node.StartError {
            throw CommandFailure(error.description)
        }
        switch TokenCodec(ring).open(text.value) {
        case .access(let token): return token
        // The ring was read a moment ago, and every unretired secret is in it.
        case .forged, .unknownKey, .secretMissing: return nil
        }
    }
}
