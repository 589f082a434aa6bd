import ArgumentParser
import Foundation
import Serving
import Web

/// The command line.
struct Doornail: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doornail",
        abstract: "An OAuth 2.0 authorization server whose logouts are true.",
        discussion: """
            To try it, with nothing set up:
              doornail dev

            In production:
              doornail migrate
              doornail serve

            Settings come from flags, then the environment, then a JSON file (--config).
            The important ones: DATABASE_URL, DOORNAIL_ISSUER, DOORNAIL_SECRET (or
            DOORNAIL_SECRET_FILE). 'doornail check' examines them.

            Exit codes: 0 done, 1 failed, 2 wrong usage.
            """,
        version: Version.text,
        subcommands: [
            DevCommand.self, ServeCommand.self, MigrateCommand.self, CheckCommand.self,
            SecretCommand.self, ClientCommand.self, UserCommand.self, SessionCommand.self,
            RevokeCommand.self, IntrospectCommand.self, KeyCommand.self, RestoredCommand.self,
        ])
}

@main
enum Main {
    static func main() async {
        let code = await run()
        LogSink.flushStandardError()
        exit(code)
    }

    /// Runs the command that was asked for; its exit code.
    private static func run() async -> Int32 {
        do {
            var command = try Doornail.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return 0
        } catch let invalid as InvalidSetting {
            Console.error(invalid.description)
            return invalid.isUsage ? 2 : 1
        } catch let failure as CommandFailure {
            Console.error(failure.description)
            return 1
        } catch {
            let text = Console.withoutTokens(Doornail.fullMessage(for: error))
            switch Doornail.exitCode(for: error) {
            case .success:
                // Help, or the version: what was asked for.
                print(text)
                return 0
            case .validationFailure:
                FileHandle.standardError.write(Data((text + "\n").utf8))
                return 2
            case let code where text.isEmpty:
                return code.rawValue
            default:
                Console.error("\(error)")
                return 1
            }
        }
    }
}
