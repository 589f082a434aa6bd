import ArgumentParser
import Cluster
import OAuth
import Storage

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

    struct Row: Encodable {
        let kid: String
        let algorithm: String
        let created_at: String
        /// `next`, `signing`, `published` (until its last tokens are over), `over` or `withdrawn`.
        let state: String
        let withdrawn_at: String?
        let withdrawn_by: String?
        /// The secrets that its private part is kept under.
        let key_ids: [Int]
    }

    static func rows(_ store: Store) async throws -> [Row] {
        let (records, now) = try await store.signingKeys()
        // One without a copy can be opened by nobody, and signs nothing.
        let known = records.filter { !$0.copies.isEmpty }.map(\.known)
        let signing = SigningAlgorithm.allCases.compactMap {
            SigningKeyRules.signer($0, among: known, at: now)
        }
        let published = SigningKeyRules.published(among: known, at: now).map(\.kid)
        return records.map { record in
            let key = record.known
            let signer = signing.first { $0.algorithm == key.algorithm }
            let state =
                if key.isWithdrawn {
                    "withdrawn"
                } else if key.kid == signer?.kid {
                    "signing"
                } else if !published.contains(key.kid) {
                    "over"
                } else {
                    signer.map { $0.createdAt < key.createdAt } == true ? "next" : "published"
                }
            return Row(
                kid: key.kid, algorithm: key.algorithm.rawValue, created_at: key.createdAt.text,
                state: state, withdrawn_at: record.withdrawnAt?.text,
                withdrawn_by: record.withdrawnBy, key_ids: record.copies.keys.sorted().map(Int.init)
            )
        }
    }

    static func print(_ rows: [Row], json: Bool) throws {
        if json {
            try Console.print(json: rows)
        } else if rows.isEmpty {
            Swift.print("No keys yet: 'doornail serve' makes them when it starts.")
        } else {
            Console.print(
                table: rows.map { [$0.kid, $0.algorithm, $0.created_at, $0.state] },
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
            try await Database.with(database, checkingSecrets: false) { database, _ in
                try KeyCommand.print(await KeyCommand.rows(database.store), json: json)
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
            try await Database.with(database) { database, settings in
                let store = database.store
                let held = try await SigningKeyring.held(settings.secrets(), in: store)
                guard !held.isEmpty else {
                    throw CommandFailure(
                        "no secret that is in use is given, and keys are kept under them: set "
                            + "DOORNAIL_SECRET or DOORNAIL_SECRET_FILE as the nodes have it")
                }
                for algorithm in algorithms {
                    let kid = try await SigningKeyring.add(
                        algorithm, under: held, insisting: true, in: store)
                    guard let kid else {
                        throw CommandFailure(
                            "no new key for \(algorithm.rawValue) was made; try again")
                    }
                    if now {
                        try await store.withdrawSigningKeys(
                            algorithm, except: kid, by: Console.actor)
                    }
                }
                try KeyCommand.print(await KeyCommand.rows(store), json: json)
            }
        }
    }
}
