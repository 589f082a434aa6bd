import ArgumentParser
import Operations

/// `doornail client`: registered applications and resource servers.
struct ClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client",
        abstract: "Register applications and resource servers, and manage them.",
        discussion: """
            A service that gets tokens for itself:
              doornail client create --id reports --grant client_credentials \\
                --scope "photos:read" --audience https://api.example.com

            A resource server, which asks about the tokens that are for it:
              doornail client create --id photos-api \\
                --audience https://api.example.com

            The secret is shown once. What changes here holds on every node when the
            command is done.
            """,
        subcommands: [
            ClientCreate.self, ClientList.self, ClientShow.self, ClientUpdate.self,
            ClientRotateSecret.self, ClientDisable.self, ClientEnable.self, ClientDelete.self,
        ])

    func run() async throws {
        throw ValidationError("say what to do; 'doornail client --help' shows what there is")
    }
}

extension ClientDocument {
    func print(json: Bool) throws {
        if json {
            try Console.print(json: self)
            return
        }
        let rows: [(String, String)] = [
            ("client id", client_id), ("name", name),
            ("authenticates by", auth_method == "any" ? "basic or post" : auth_method),
            ("grants", grants.joined(separator: ", ")),
            ("redirect URIs", redirect_uris.joined(separator: " ")),
            ("after logout", post_logout_redirect_uris.joined(separator: " ")),
            ("back-channel logout", backchannel_logout_uri ?? ""), ("scope", scope),
            ("audiences", audiences.joined(separator: " ")), ("introspects", introspects),
            ("revokes", revokes), ("first party", first_party ? "yes" : ""),
            ("disabled", disabled_at ?? ""),
            (
                "last ended",
                [ended_at, ended_by, ended_reason].compactMap { $0 }
                    .joined(separator: ", ")
            ),
            ("created", created_at),
            (
                "old secret",
                has_previous_secret ? "still valid (rotate-secret --finish ends it)" : ""
            ),
        ]
        Console.print(fields: rows)
        if let client_secret {
            Swift.print("client secret: \(client_secret)")
            Swift.print("Keep the secret now: it is not shown again.")
        }
    }
}

struct ClientList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show all clients.")

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let json = output.json
        try await Database.with(database) { operations, _ in
            let documents = try await operations.clients()
            if json {
                try Console.print(json: documents)
            } else if documents.isEmpty {
                print("No clients yet: 'doornail client create --help' shows how to make one.")
            } else {
                Console.print(
                    table: documents.map {
                        [
                            $0.client_id, $0.name, $0.grants.joined(separator: ","), $0.scope,
                            $0.disabled ? "disabled" : "enabled",
                        ]
                    },
                    header: ["CLIENT ID", "NAME", "GRANTS", "SCOPE", "STATE"])
            }
        }
    }
}

struct ClientShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one client.")

    @Argument(help: "The client's id.")
    var name: Name

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (id, json) = (name.text, output.json)
        try await Database.with(database) { operations, _ in
            try await operations.client(id).print(json: json)
        }
    }
}

struct ClientDisable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable",
        abstract: "End everything that was issued to a client, and give it nothing more.")

    @Argument(help: "The client's id.")
    var name: Name

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (id, json) = (name.text, output.json)
        try await Database.with(database) { operations, _ in
            try await operations.disableClient(id).print("Disabled", json: json)
        }
    }
}

struct ClientDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "End everything that was issued to a client, and remove it.")

    @Argument(help: "The client's id.")
    var name: Name

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (id, json) = (name.text, output.json)
        try await Database.with(database) { operations, _ in
            try await operations.deleteClient(id).print("Deleted", json: json)
        }
    }
}

struct ClientEnable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable",
        abstract: "Let a disabled client work again. What it had before stays dead.")

    @Argument(help: "The client's id.")
    var name: Name

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (id, json) = (name.text, output.json)
        try await Database.with(database) { operations, _ in
            try await operations.enableClient(id).print(json: json)
        }
    }
}
