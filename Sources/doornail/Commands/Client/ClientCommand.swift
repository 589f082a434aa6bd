import ArgumentParser
import Cluster
import OAuth
import Storage

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

/// A client as commands print it: the names are those of the flags and of RFC 7591 §2.
struct ClientDocument: Encodable {
    let client_id: String
    var client_secret: String?
    let id: String
    let name: String
    let auth_method: String
    let grants: [String]
    let redirect_uris: [String]
    let post_logout_redirect_uris: [String]
    let backchannel_logout_uri: String?
    let scope: String
    let audiences: [String]
    let introspects: String
    let revokes: String
    let first_party: Bool
    let rotation: String
    let retry_window_seconds: Int
    let id_token_alg: String
    let has_previous_secret: Bool
    let disabled: Bool
    let disabled_at: String?
    let ended_at: String?
    let ended_reason: String?
    let ended_by: String?
    let created_at: String
    let updated_at: String

    init(_ record: ClientRecord, secret: Redacted<String>? = nil) {
        let client = record.client
        let registration = client.registration
        client_id = client.clientID
        client_secret = secret?.value
        id = client.id.description
        name = registration.name
        auth_method = registration.method.rawValue
        grants = registration.grantTypes.map(\.rawValue)
        redirect_uris = registration.redirectURIs
        post_logout_redirect_uris = registration.postLogoutRedirectURIs
        backchannel_logout_uri = registration.backchannelLogoutURI
        scope = registration.scope.description
        audiences = registration.audiences
        introspects = registration.introspects.rawValue
        revokes = registration.revokes.rawValue
        first_party = registration.isFirstParty
        rotation = registration.rotates ? "on" : "off"
        retry_window_seconds = Int(registration.retryWindowSeconds)
        id_token_alg = registration.idTokenAlgorithm.rawValue
        has_previous_secret = client.secretHashes.count > 1
        disabled = client.isDisabled
        disabled_at = record.disabledAt?.text
        ended_at = record.endedAt?.text
        ended_reason = record.endedReason
        ended_by = record.endedBy
        created_at = record.createdAt.text
        updated_at = record.updatedAt.text
    }

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
        try await Database.with(database) { database, _ in
            let documents = try await database.store.clientRecords().map { ClientDocument($0) }
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
        try await Database.with(database) { database, _ in
            try await ClientDocument(database.store.clientRecord(id)).print(json: json)
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
        try await endClient(
            .clientDisabled(name.text), id: name.text, done: "Disabled", reason: "disabled",
            database,
            output)
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
        try await endClient(
            .clientDeleted(name.text), id: name.text, done: "Deleted", reason: "deleted", database,
            output)
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
        try await Database.with(database) { database, _ in
            _ = try await database.revoker.end(
                .clientEnabled(id), because: Cause(reason: "enabled", actor: Console.actor))
            try await ClientDocument(database.store.clientRecord(id)).print(json: json)
        }
    }
}

/// Ends a client in one of the ways there are, and says so.
private func endClient(
    _ ending: Ending, id: String, done: String, reason: String, _ options: DatabaseOptions,
    _ output: OutputOptions
) async throws {
    let json = output.json
    try await Database.with(options) { database, _ in
        let receipt = try await database.revoker.end(
            ending, because: Cause(reason: reason, actor: Console.actor))
        try Ended(kind: "client", subject: id, receipt: receipt).print(done, json: json)
    }
}
