import ArgumentParser
import Operations

/// `doornail user`: people with a password.
struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Make people's accounts, and manage them.",
        discussion: """
            At a terminal the password is asked for, twice:
              doornail user create --username ada --name "Ada Lovelace"

            From a script it comes by standard input:
              doornail user create --username ada --password-stdin < password

            Users go by name or by id. Another password, disabling and deleting end
            every login everywhere, apps with offline access too; that holds on every
            node when the command is done.
            """,
        subcommands: [
            UserCreate.self, UserList.self, UserShow.self, UserSetPassword.self,
            UserDisable.self, UserEnable.self, UserDelete.self,
        ])

    func run() async throws {
        throw ValidationError("say what to do; 'doornail user --help' shows what there is")
    }
}

extension UserDocument {
    func print(json: Bool) throws {
        if json {
            try Console.print(json: self)
            return
        }
        Console.print(fields: [
            ("user", username), ("id", id), ("name", name ?? ""),
            ("email", (email ?? "") + (email_verified ? " (verified)" : "")),
            ("disabled", disabled_at ?? ""),
            (
                "last ended",
                [ended_at, ended_by, ended_reason].compactMap { $0 }
                    .joined(separator: ", ")
            ),
            ("created", created_at),
        ])
        guard let apps, !apps.isEmpty else { return }
        Swift.print("Apps with access that outlives a login ('doornail revoke grant ID' ends it):")
        GrantDocument.print(apps)
    }
}

struct UserList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show all users.")

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let json = output.json
        try await Database.with(database) { operations, _ in
            let documents = try await operations.users()
            if json {
                try Console.print(json: documents)
            } else if documents.isEmpty {
                print("No users yet: 'doornail user create --help' shows how to make one.")
            } else {
                Console.print(
                    table: documents.map {
                        [
                            $0.username, $0.name ?? "", $0.email ?? "", $0.id,
                            $0.disabled ? "disabled" : "enabled",
                        ]
                    },
                    header: ["USER", "NAME", "EMAIL", "ID", "STATE"])
            }
        }
    }
}

struct UserShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one user, and the apps whose access outlives a login.")

    @Argument(help: "The user's name or id.")
    var name: Name

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (name, json) = (name.text, output.json)
        try await Database.with(database) { operations, _ in
            try await operations.user(name).print(json: json)
        }
    }
}

struct UserDisable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable",
        abstract: "End every login of a user, and allow no more.")

    @Argument(help: "The user's name or id.")
    var name: Name

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (name, json) = (name.text, output.json)
        try await Database.with(database) { operations, _ in
            try await operations.disableUser(name).print("Disabled", json: json)
        }
    }
}

struct UserDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "End every login of a user, and remove the account.")

    @Argument(help: "The user's name or id.")
    var name: Name

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (name, json) = (name.text, output.json)
        try await Database.with(database) { operations, _ in
            try await operations.deleteUser(name).print("Deleted", json: json)
        }
    }
}

struct UserEnable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable",
        abstract: "Let a disabled user log in again. What was alive before stays dead.")

    @Argument(help: "The user's name or id.")
    var name: Name

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (name, json) = (name.text, output.json)
        try await Database.with(database) { operations, _ in
            try await operations.enableUser(name).print(json: json)
        }
    }
}
