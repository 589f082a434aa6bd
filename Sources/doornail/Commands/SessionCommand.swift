import ArgumentParser
import OAuth
import Storage

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
            try await Database.with(database) { database, _ in
                var user: UserRecord?
                if let name {
                    user = try await database.store.userRecord(UserReference(name))
                }
                let documents = try await database.store.sessionRecords(of: user?.id)
                    .map { SessionDocument($0) }
                if json {
                    try Console.print(json: documents)
                } else if documents.isEmpty {
                    let who = user.map { Console.printable($0.username) }
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
            try await Database.with(database) { database, _ in
                let record = try await database.store.sessionRecord(id)
                let grants = try await database.store.grantRecords(inSession: id)
                try SessionDocument(record, grants: grants).print(json: json)
            }
        }
    }
}

/// A login as commands print it.
struct SessionDocument: Encodable {
    let id: String
    let user: String?
    let user_agent: String?
    let address: String?
    let amr: [String]
    let created_at: String
    let authenticated_at: String
    let last_seen_at: String
    let expires_at: String
    let clients: [String]
    /// `alive`, or why it is not; where it was asked for, like the grants.
    let state: String?
    let ended_at: String?
    let ended_reason: String?
    let ended_by: String?
    let grants: [GrantDocument]?

    init(_ record: SessionRecord, grants: [GrantRecord]? = nil) {
        id = record.id.description
        user = record.username
        user_agent = record.userAgent
        address = record.address
        amr = record.amr
        created_at = record.createdAt.text
        authenticated_at = record.authenticatedAt.text
        last_seen_at = record.lastSeenAt.text
        expires_at = record.expiresAt.text
        clients = record.clients
        state = grants == nil ? nil : record.death?.rawValue ?? "alive"
        ended_at = record.endedAt?.text
        ended_reason = record.endedReason
        ended_by = record.endedBy
        self.grants = grants?.map(GrantDocument.init)
    }

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

/// A grant as commands print it.
struct GrantDocument: Encodable {
    let id: String
    let client_id: String
    let client_name: String
    let session: String
    let scope: String
    let audiences: [String]
    let offline: Bool
    let created_at: String
    let last_used_at: String
    let expires_at: String
    /// `alive`, or why it is not.
    let state: String

    init(_ record: GrantRecord) {
        id = record.id.description
        client_id = record.clientID
        client_name = record.clientName
        session = record.session.description
        scope = record.scope.description
        audiences = record.audience
        offline = record.isOffline
        created_at = record.createdAt.text
        last_used_at = record.lastUsedAt.text
        expires_at = record.expiresAt.text
        state = record.death?.rawValue ?? "alive"
    }

    static func print(_ grants: [GrantDocument]) {
        Console.print(
            table: grants.map {
                [
                    $0.id, $0.client_id, $0.client_name, Console.shortened($0.scope),
                    $0.last_used_at,
                    $0.state != "alive"
                        ? $0.state : $0.offline ? "outlives its login" : "ends with its login",
                ]
            },
            header: ["ID", "CLIENT ID", "NAME", "SCOPE", "LAST USED", "STATE"])
    }
}
