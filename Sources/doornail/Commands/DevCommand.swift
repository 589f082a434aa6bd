import ArgumentParser
import Foundation
import OAuth
import Storage

/// `doornail dev`: everything that is needed to try Doornail, in one command.
struct DevCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev",
        abstract: "Try it: a private PostgreSQL, a demo user, two apps and an API, ready to use.",
        discussion: """
            Everything is kept under --data; the next start goes on with it. PostgreSQL
            refuses to run as root: started by root, its cluster belongs to the user
            postgres and lies in /var/lib/doornail, and --data points to it. Ctrl-C stops
            the server and PostgreSQL. This is not for production: secrets lie in plain
            files.
            """)

    @Option(help: ArgumentHelp("The folder for everything it makes.", valueName: "folder"))
    var data = ".doornail"

    @OptionGroup var server: ServerOptions

    @Option(
        name: .customLong("log-level"),
        help: ArgumentHelp("trace, debug, info, notice, warning or error.", valueName: "level"))
    var logLevel: String?

    func validate() throws {
        if data.isEmpty { throw ValidationError("--data is empty") }
    }

    func run() async throws {
        var environment = ProcessInfo.processInfo.environment
        // `dev` has a database and a secret of its own. The shell may name those of another server.
        for setting in [Setting.databaseURL, .secret, .secretFile] {
            environment[setting.name] = nil
        }
        try await DevServer(
            data: data, flags: server.flags, logLevel: logLevel, environment: environment
        ).run()
    }
}
