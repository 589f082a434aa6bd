import ArgumentParser
import Operations

/// `doornail revoke`: ends things, and returns once every node has applied the end.
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

    /// Runs where no subcommand says what to end. An exit code of 0 would look like an end.
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
            try await Database.with(database) { operations, settings in
                try await operations.revokeToken(text, secrets: settings.secrets())
                    .print(json: json)
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
            let json = output.json
            try await Database.with(database) { operations, _ in
                try await operations.revokeGrant(id).print(json: json)
            }
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
            let json = output.json
            try await Database.with(database) { operations, _ in
                try await operations.revokeSession(id).print(json: json)
            }
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
            let (name, json) = (name.text, output.json)
            try await Database.with(database) { operations, _ in
                try await operations.revokeUser(name).print("Ended every login of", json: json)
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
            try await Database.with(database) { operations, _ in
                try await operations.revokeClient(id).print(json: json)
            }
        }
    }
}
