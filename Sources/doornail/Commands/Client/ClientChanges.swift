import ArgumentParser
import Cluster
import Foundation
import OAuth
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
            throw ValidationError(
                "--id: a client id is 1 to \(Limits.clientIDBytes) characters of printable ASCII "
                    + "without spaces, and not in UUID form")
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
        try await Database.with(database) { database, _ in
            let secret = registration.method.isPublic ? nil : newSecret()
            try await database.store.createClient(
                id, id: newIdentifier(), registration, secretHash: secret.map(ClientSecret.hash))
            try await ClientDocument(database.store.clientRecord(id), secret: secret)
                .print(json: json)
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
        try await Database.with(database) { database, _ in
            let record = try await database.store.clientRecord(id)
            let before = record.client.registration
            let after = try client.applied(to: before)
            let secret = before.method.isPublic && !after.method.isPublic ? newSecret() : nil
            _ = try await database.revoker.end(
                .clientChanged(
                    ClientChange(
                        to: after, of: record, secretHash: secret.map(ClientSecret.hash))),
                because: Cause(reason: "updated", actor: Console.actor))
            try await ClientDocument(database.store.clientRecord(id), secret: secret)
                .print(json: json)
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
        try await Database.with(database) { database, _ in
            let before = try await database.store.clientRecord(id)
            guard !before.client.isPublic else {
                throw CommandFailure("the client '\(id)' is public and has no secret")
            }
            let cause = Cause(
                reason: finish ? "old secret ended" : "secret rotated", actor: Console.actor)
            let secret = finish ? nil : newSecret()
            let ending: Ending =
                if let secret {
                    .clientSecret(id, newHash: ClientSecret.hash(secret), keepsPrevious: !now)
                } else { .previousClientSecret(id) }
            _ = try await database.revoker.end(ending, because: cause)
            try await ClientDocument(database.store.clientRecord(id), secret: secret)
                .print(json: json)
            if secret != nil, before.client.secretHashes.count > 1, !now {
                Console.error("the secret before the last one, which was still valid, has ended")
            }
        }
    }
}

/// A client secret nobody has seen.
func newSecret() -> Redacted<String> {
    var random = SystemRandomNumberGenerator()
    return ClientSecret.random(using: &random)
}

/// An id for a new row.
func newIdentifier() -> Identifier {
    var random = SystemRandomNumberGenerator()
    return Identifier(
        milliseconds: UInt64(Date.now.timeIntervalSince1970 * 1000), using: &random)
}
