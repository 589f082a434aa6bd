import ArgumentParser
import Cluster
import OAuth
import Storage

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

/// A user as commands print it: the names are those of the flags.
struct UserDocument: Encodable {
    let id: String
    let username: String
    let name: String?
    let email: String?
    let email_verified: Bool
    let disabled: Bool
    let disabled_at: String?
    let ended_at: String?
    let ended_reason: String?
    let ended_by: String?
    let created_at: String
    let updated_at: String
    /// What apps may do without a login, where it was asked for.
    let apps: [GrantDocument]?

    init(_ record: UserRecord, apps: [GrantRecord]? = nil) {
        id = record.id.description
        username = record.username
        name = record.name
        email = record.email
        email_verified = record.isEmailVerified
        disabled = record.disabledAt != nil
        disabled_at = record.disabledAt?.text
        ended_at = record.endedAt?.text
        ended_reason = record.endedReason
        ended_by = record.endedBy
        created_at = record.createdAt.text
        updated_at = record.updatedAt.text
        self.apps = apps?.map(GrantDocument.init)
    }

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
        try await Database.with(database) { database, _ in
            let documents = try await database.store.userRecords().map { UserDocument($0) }
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
        try await Database.with(database) { database, _ in
            let record = try await database.store.userRecord(UserReference(name))
            let apps = try await database.store.offlineGrantRecords(of: record.id)
            try UserDocument(record, apps: apps).print(json: json)
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
        try await endUser(
            .userDisabled(UserReference(name.text)), name: name.text, done: "Disabled",
            reason: "disabled", database, output)
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
        try await endUser(
            .userDeleted(UserReference(name.text)), name: name.text, done: "Deleted",
            reason: "deleted", database, output)
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
        let (user, json) = (UserReference(name.text), output.json)
        try await Database.with(database) { database, _ in
            _ = try await database.revoker.end(
                .userEnabled(user), because: Cause(reason: "enabled", actor: Console.actor))
            try await UserDocument(database.store.userRecord(user)).print(json: json)
        }
    }
}

/// Ends a user's logins in one of the ways there are, and says so.
func endUser(
    _ ending: Ending, name: String, done: String, reason: String, _ options: DatabaseOptions,
    _ output: OutputOptions
) async throws {
    let json = output.json
    try await Database.with(options) { database, _ in
        let receipt = try await database.revoker.end(
            ending, because: Cause(reason: reason, actor: Console.actor))
        try Ended(kind: "user", subject: name, receipt: receipt).print(done, json: json)
    }
}
