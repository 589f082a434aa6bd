import ArgumentParser
import Cluster
import OAuth
import Storage

/// `doornail revoke`: ends things, and returns once that holds on every node.
struct RevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "End a token, what an app may do, a login, or all of a user's or a client's.",
        discussion: """
            Exits 0 only once no node says active any more.

              echo "$TOKEN" | doornail revoke token
              doornail revoke grant ID       one app in one login
              doornail revoke session ID     one login, with all that hangs on it
              doornail revoke user ada       every login, everywhere
              doornail revoke client photos  everything that a client was given
            """,
        subcommands: [Token.self, Grant.self, Session.self, User.self, Client.self])

    /// Reached where nothing says what to end: exit 0 would look like an end.
    func run() async throws {
        throw ValidationError(
            "say what to end: 'doornail revoke token', 'grant ID', 'session ID', 'user NAME' or "
                + "'client ID'")
    }

    struct Token: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "token",
            abstract: "End one token, read from standard input.",
            discussion: """
                A refresh token ends its grant, and with it every token that came from it; so
                does one that was used before and replaced.
                """)

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
                let state = try await database.store.liveness(of: token)
                guard let ending = Self.ending(of: token, grant: state.grant) else {
                    // It is ours, and was read with proof to be dead: what was asked for holds.
                    try Ended(
                        kind: "grant", subject: token.grant?.description ?? "", receipt: nil
                    ).print(json: json)
                    return
                }
                let receipt = try await database.revoker.end(
                    ending, because: Cause(reason: "revoked", actor: Console.actor))
                try Ended(kind: ending.kind, subject: ending.subject, receipt: receipt)
                    .print(json: json)
            }
        }

        /// What ends a token; nil where its grant is gone, and nothing is left to end.
        private static func ending(of token: OAuth.Token, grant: GrantState?) -> Ending? {
            switch token {
            case .refresh:
                return grant.map { Ending.grant($0.id) }
            case .access(let access):
                switch access.subject {
                case .client(let client, _): return Ending.token(access, client: client)
                case .grant: return grant.map { Ending.token(access, client: $0.client) }
                }
            }
        }
    }

    struct Grant: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "grant",
            abstract: "End what one app may do for one login, with all tokens of it.")

        @Argument(
            help: "The grant's id, as 'doornail session show' and 'doornail user show' have it.")
        var id: Name

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let id = try id.identifier(
                shownBy: "doornail session show ID' or 'doornail user show NAME")
            try await RevokeCommand.end(.grant(id), database, output)
        }
    }

    struct Session: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "session",
            abstract: "End one login, and all that hangs on it.",
            discussion: """
                An app that was given offline access keeps it: 'doornail user show' lists
                these, 'doornail revoke grant' ends one.
                """)

        @Argument(help: "The session's id, as 'doornail session list' shows it.")
        var id: Name

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let id = try id.identifier(shownBy: "doornail session list")
            try await RevokeCommand.end(.session(id), database, output)
        }
    }

    struct User: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "user",
            abstract: "End every login of a user, and all offline access; new logins are free.")

        @Argument(help: "The user's name or id.")
        var name: Name

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await RevokeCommand.end(
                .user(UserReference(name.text)), done: "Ended every login of", database, output)
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
            try await RevokeCommand.end(.client(name.text), database, output)
        }
    }

    /// Ends something, and says so.
    private static func end(
        _ ending: Ending, done: String = "Ended", _ options: DatabaseOptions,
        _ output: OutputOptions
    ) async throws {
        let json = output.json
        try await Database.with(options) { database, _ in
            let receipt = try await database.revoker.end(
                ending, because: Cause(reason: "revoked", actor: Console.actor))
            try Ended(kind: ending.kind, subject: ending.subject, receipt: receipt)
                .print(done, json: json)
        }
    }
}

/// Opens tokens for commands, which are no nodes.
enum Keys {
    /// The token that a text is, nil where it is none of ours.
    static func open(
        _ text: Redacted<String>, _ settings: Settings, _ store: Store
    ) async throws -> Token? {
        let ring: KeyRing
        do {
            ring = try await Node.ring(for: settings.secrets(), from: store)
        } catch let error as Node.StartError {
            throw CommandFailure(error.description)
        }
        switch TokenCodec(ring).open(text.value) {
        case .authentic(let token): return token
        // The ring was read a moment ago, and every unretired secret is in it.
        case .forged, .unknownKey, .secretMissing: return nil
        }
    }
}
