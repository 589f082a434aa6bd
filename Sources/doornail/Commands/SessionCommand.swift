import ArgumentParser
import Operations

/// `doornail session`: who is logged in, and where.
struct SessionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session",
        abstract: "Show who is logged in, on which devices, and what hangs on it.",
        discussion: """
              doornail session list --user ada
              doornail session show ID

            'doornail revoke session ID' ends one.
            """,
        subcommands: [List.self, Show.self])

    func run() async throws {
        throw ValidationError(
            "say what to show: 'doornail session list' or 'doornail session show ID'")
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "Show the logins that are alive, the last used first.")

        @Option(help: ArgumentHelp("Only this user's, by name or id.", valueName: "name"))
        var user: Name?

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let (name, json) = (user?.text, output.json)
            try await Database.with(database) { operations, _ in
                let (documents, username) = try await operations.sessions(of: name)
                if json {
                    try Console.print(json: documents)
                } else if documents.isEmpty {
                    let who = username.map(printable)
                    print(who.map { "\($0) is not logged in anywhere." } ?? "Nobody is logged in.")
                } else {
                    Console.print(
                        table: documents.map {
                            [
                                $0.id, $0.user ?? "", Console.shortened($0.user_agent ?? ""),
                                $0.address ?? "", $0.last_seen_at,
                                $0.clients.joined(separator: ","),
                            ]
                        },
                        header: ["ID", "USER", "DEVICE", "ADDRESS", "LAST SEEN", "CLIENTS"])
                }
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show one login, alive or not, and the grants that were made in it.")

        @Argument(help: "The session's id, as 'doornail session list' shows it.")
        var id: Name

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let id = try id.identifier(shownBy: "doornail session list")
            let json = output.json
            try await Database.with(database) { operations, _ in
                try await operations.session(id).print(json: json)
            }
        }
    }
}

extension SessionDocument {
    func print(json: Bool) throws {
        if json {
            try Console.print(json: self)
            return
        }
        Console.print(fields: [
            ("session", id), ("state", state ?? ""), ("user", user ?? ""),
            ("device", user_agent ?? ""), ("address", address ?? ""),
            ("logged in by", amr.joined(separator: ", ")), ("created", created_at),
            ("last login", authenticated_at), ("last seen", last_seen_at),
            ("expires", expires_at),
            (
                "ended",
                [ended_at, ended_by, ended_reason].compactMap { $0 }.joined(separator: ", ")
            ),
        ])
        guard let grants, !grants.isEmpty else {
            Swift.print("No app got anything of it.")
            return
        }
        Swift.print("What apps got ('doornail revoke grant ID' ends one):")
        GrantDocument.print(grants)
    }
}

extension GrantDocument {
    static func print(_ grants: [GrantDocument]) {
        Console.print(
            table: grants.map {
                [
                    $0.id, $0.client_id, $0.client_name, Console.shortened($0.scope),
                    $0.last_used_at,
                    $0.state != alive
                        ? $0.state : $0.offline ? "outlives its login" : "ends with its login",
                ]
            },
            header: ["ID", "CLIENT ID", "NAME", "SCOPE", "LAST USED", "STATE"])
    }
}
