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

    /// Reached where nothing says what to end: exit 0 would look like an end.
    func run() async throws {
        throw ValidationError(
            "say what to end: 'doornail revoke token' or 'doornail revoke client ID'")
    }

    struct Token: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "token", abstract: "End one token, read from standard input.")

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let json = output.json
            let text = try Console.readSecret(named: "token")
            try await Database.with(database) { database, settings in
                guard let token = try await Keys.open(text, settings, database.store) else {
                    // At /revoke this is a 200 (RFC 7009 §2.2); a person who cut a token while
                    // copying it must not believe that the real one is dead.
                    throw CommandFailure(
                        "nothing was ended: this is no token of this server, or not all of it")
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
