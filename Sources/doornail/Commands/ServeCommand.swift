import ArgumentParser
import Serving

/// `doornail serve`: the server, for production.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the server.",
        discussion: """
            It needs DATABASE_URL, DOORNAIL_ISSUER and DOORNAIL_SECRET, and a database
            that 'doornail migrate' has brought up to date; 'doornail check' examines
            all of it. While the database is away it answers 503, and goes on by itself
            once it is back.

            SIGTERM or Ctrl-C: answers what it has accepted, then stops.

            SIGHUP: reads the TLS certificate and key again.
            """)

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
        let settings = try await Database.loadSettings(database, server)
        try settings.requireServable()
        try await settings.value(.listen).requireFree(Setting.listen)
        try await settings.value(.adminListen).requireFree(Setting.adminListen)
        try await Server.requireServable(settings)
        let log = try Database.logOutput(settings, format: .json)
        try await Server(settings, log: log).run()
    }
}
