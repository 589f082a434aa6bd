import ArgumentParser
import OAuth
import Operations

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

        func run() async throws {
            let json = output.json
            try await Database.with(database, checkingSecrets: false) { operations, _ in
                let secrets = try await operations.secrets()
                if json {
                    try Console.print(json: secrets)
                } else if secrets.isEmpty {
                    print("No secret yet: 'doornail serve' makes its own known when it starts.")
                } else {
                    Console.print(
                        table: secrets.map {
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
            let (id, json) = (id, output.json)
            try await Database.with(database, checkingSecrets: false) { operations, _ in
                try await operations.retireSecret(id).print("Retired", json: json)
            }
        }
    }
}

extension Ended {
    /// - Parameter done: what the command did to it, in a word.
    func print(_ done: String = "Ended", json: Bool) throws {
        if json {
            try Console.print(json: self)
        } else {
            let what = "\(ended) \(printable(subject))"
            Swift.print(
                (ended_at.map { "\(done) \(what) at \($0). " } ?? "The \(what) is gone already. ")
                    + "Nothing of it is active on any node any more.")
        }
    }
}
