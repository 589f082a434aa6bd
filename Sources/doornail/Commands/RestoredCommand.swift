import ArgumentParser
import Operations

/// `doornail restored`: ends everything, after an operator restored the database from a backup.
struct RestoredCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restored",
        abstract: "After a restore of the database: end every login and token there is.",
        discussion: """
            A backup does not know what was revoked after it was made, so after a
            restore dead tokens would be alive again. Stop all nodes, restore, run this,
            start the nodes. It ends everything that was ever issued; people log in
            again.
            """)

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let json = output.json
        try await Database.with(database, checkingSecrets: false) { operations, _ in
            let (ended, nodes) = try await operations.endEverything()
            try ended.print(json: json)
            if nodes > 0 {
                Console.error(
                    "\(nodes) nodes run or ran a moment ago: restart each that was not stopped")
            }
        }
    }
}
