import ArgumentParser
import OAuth
import Operations
import Storage

struct ClientCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Register a client; prints its id and, once, its secret.")

    @Option(help: "The client's id: 1 to 255 printable ASCII characters, not in UUID form.")
    var id: String

    @OptionGroup var client: ClientOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    private func registration() throws -> ClientRegistration {
        guard Client.isClientID(id) else {
            throw ValidationError("--id: \(Problem.clientIDRule)")
        }
        return try client.applied(
            to: ClientRegistration(name: id, method: .any, grantTypes: client.grantTypes()))
    }

    func validate() throws {
        _ = try registration()
    }

    func run() async throws {
        let (id, json) = (id, output.json)
        let registration = try registration()
        try await Database.with(database) { operations, _ in
            try await operations.createClient(id, registration).print(json: json)
        }
    }
}

struct ClientUpdate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Change a client; what is not named stays as it is.",
        discussion: """
            A list that is given replaces the old one; an empty value clears it. Tokens
            that were issued before keep their scope and audience until they expire;
            'doornail revoke client' ends them at once.
            """)

    @Argument(help: "The client's id.")
    var name: Name

    @OptionGroup var client: ClientOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (id, json, client) = (name.text, output.json, client)
        try await Database.with(database) { operations, _ in
            let record = try await operations.clientRecord(id)
            let registration = try client.applied(to: record.client.registration)
            try await operations.updateClient(record, to: registration).print(json: json)
        }
    }
}

struct ClientRotateSecret: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-secret",
        abstract: "Give a client a new secret; the present one stays valid beside it.",
        discussion: """
            Roll the new secret out, then end the old one:
              doornail client rotate-secret reports
              doornail client rotate-secret reports --finish

            A secret that leaked is replaced at once with --now.
            """)

    @Argument(help: "The client's id.")
    var name: Name

    @Flag(help: "End the old secret at once.")
    var now = false

    @Flag(help: "Make no new secret; end the one before the present one.")
    var finish = false

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if now, finish { throw ValidationError("--now and --finish exclude each other") }
    }

    func run() async throws {
        let (id, json, now, finish) = (name.text, output.json, now, finish)
        try await Database.with(database) { operations, _ in
            if finish {
                try await operations.endPreviousClientSecret(id).print(json: json)
                return
            }
            let (client, hasEndedOlder) = try await operations.rotateClientSecret(
                id, keepsPresent: !now)
            try client.print(json: json)
            if hasEndedOlder {
                Console.error("the secret before the last one, which was still valid, has ended")
            }
        }
    }
}
