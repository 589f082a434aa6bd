import ArgumentParser
import Cluster
import Foundation
import OAuth
import Storage

/// `doornail secret`: prints a new one; `list`, `retire`.
struct SecretCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret",
        abstract: "Print a new server secret, or list and retire the ones in use.",
        discussion: """
            Everything that the server issues is signed under DOORNAIL_SECRET. To rotate
            it: put a new secret in front of the old one, separated by a comma, on every
            node; once all of them run with both, new tokens are signed under the new
            one. When the old tokens have expired, retire the old secret and remove it.

              doornail secret > secret.new
              doornail secret list
              doornail secret retire 1
            """,
        subcommands: [New.self, List.self, Retire.self],
        defaultSubcommand: New.self)

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "new", abstract: "Print a new secret (what 'doornail secret' does).")

        @OptionGroup var output: OutputOptions

        func run() throws {
            var random = SystemRandomNumberGenerator()
            let secret = ServerSecret.random(using: &random)
            if output.json {
                try Console.print(json: ["secret": secret])
            } else {
                print(secret)
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show which secrets the database knows, by key id.")

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        struct Row: Encodable {
            let key_id: Int
            let fingerprint: String
            let added_at: String
            let retired_at: String?
            let retired_by: String?
        }

        func run() async throws {
            let json = output.json
            try await Database.with(database, checkingSecrets: false) { database, _ in
                let rows = try await database.store.secrets().map { secret in
                    Row(
                        key_id: Int(secret.known.keyID),
                        fingerprint: secret.known.fingerprint.prefix(8)
                            .map { String(format: "%02x", $0) }.joined(),
                        added_at: secret.addedAt.text, retired_at: secret.retiredAt?.text,
                        retired_by: secret.retiredBy)
                }
                if json {
                    try Console.print(json: rows)
                } else if rows.isEmpty {
                    print("No secret yet: 'doornail serve' makes its own known when it starts.")
                } else {
                    Console.print(
                        table: rows.map {
                            [
                                String($0.key_id), $0.fingerprint, $0.added_at,
                                $0.retired_at ?? "in use",
                            ]
                        },
                        header: ["KEY ID", "FINGERPRINT", "ADDED", "RETIRED"])
                }
            }
        }
    }

    struct Retire: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "retire",
            abstract: "End a secret, and with it every token signed under it, on every node.")

        @Argument(help: "The key id, as 'doornail secret list' shows it.")
        var id: UInt8

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let json = output.json
            let id = id
            try await Database.with(database, checkingSecrets: false) { database, _ in
                let receipt = try await database.revoker.end(
                    .secret(id), because: Cause(reason: "retired", actor: Console.actor))
                try Ended(kind: "secret", subject: String(id), receipt: receipt)
                    .print("Retired", json: json)
            }
        }
    }
}

/// What a command that ended something prints.
struct Ended: Encodable {
    let ended: String
    let subject: String
    let ended_at: String?

    /// - Parameter receipt: nil where there was nothing left to end.
    init(kind: String, subject: String, receipt: Receipt?) {
        ended = kind
        self.subject = subject
        ended_at = receipt?.endedAt.text
    }

    /// - Parameter done: what happened to it, in a word.
    func print(_ done: String = "Ended", json: Bool) throws {
        if json {
            try Console.print(json: self)
        } else {
            let what = "\(ended) \(Console.printable(subject))"
            Swift.print(
                (ended_at.map { "\(done) \(what) at \($0). " } ?? "The \(what) is gone already. ")
                    + "Nothing of it is active on any node any more.")
        }
    }
}
