import ArgumentParser
import OAuth
import Operations

/// `doornail key`: the keys that ID tokens are signed with.
struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Show the keys that sign ID tokens, and make new ones.",
        discussion: """
            Keys make way for new ones by themselves, after 90 days. A key that may have
            leaked is replaced at once:

              doornail key rotate --now
            """,
        subcommands: [List.self, Rotate.self])

    func run() async throws {
        throw ValidationError("say what to do: 'doornail key list' or 'doornail key rotate'")
    }

    static func print(_ keys: [KeyDocument], json: Bool) throws {
        if json {
            try Console.print(json: keys)
        } else if keys.isEmpty {
            Swift.print("No keys yet: 'doornail serve' makes them when it starts.")
        } else {
            Console.print(
                table: keys.map { [$0.kid, $0.algorithm, $0.created_at, $0.state] },
                header: ["KID", "ALGORITHM", "CREATED", "STATE"])
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show all signing keys, the oldest first.")

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let json = output.json
            try await Database.with(database, checkingSecrets: false) { operations, _ in
                try KeyCommand.print(await operations.signingKeys(), json: json)
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Make new signing keys.",
            discussion: """
                They are published at once and sign after an hour, when everybody who keeps
                the list has them; the old ones stay published for two days more.
                """)

        @Option(help: "Only for RS256 or ES256.")
        var algorithm: SigningAlgorithm?

        @Flag(
            help: ArgumentHelp(
                "Withdraw the old keys: the new ones sign within seconds, and ID tokens of the old "
                    + "ones are not accepted by clients any more."))
        var now = false

        @OptionGroup var database: DatabaseOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let (json, now) = (output.json, now)
            let algorithms = algorithm.map { [$0] } ?? SigningAlgorithm.allCases
            try await Database.with(database) { operations, settings in
                let keys = try await operations.rotateSigningKeys(
                    algorithms, secrets: settings.secrets(), withdrawing: now)
                try KeyCommand.print(keys, json: json)
            }
        }
    }
}
