import ArgumentParser
import Operations

struct UserCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make an account for a person; prints its id.",
        discussion: """
            The password is asked for at the terminal, or comes by standard input:
              doornail user create --username ada --password-stdin < password
            """)

    @Option(help: "The name to log in with; capitals and small letters are one.")
    var username: String

    @Option(help: "The person's name, for people to read.")
    var name: String?

    @Option(help: "The person's email address.")
    var email: String?

    @Flag(
        name: .customLong("email-verified"),
        help: "You know that the address is this person's.")
    var isEmailVerified = false

    @OptionGroup var password: PasswordOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    private func details() throws -> UserDetails {
        do {
            return try UserDetails(
                username: username, name: name, email: email, isEmailVerified: isEmailVerified)
        } catch {
            throw ValidationError(error.sentence)
        }
    }

    func validate() throws {
        _ = try details()
    }

    func run() async throws {
        let json = output.json
        let (details, hash) = (try details(), try password.hash())
        try await Database.with(database) { operations, _ in
            try await operations.createUser(details, password: hash).print(json: json)
        }
    }
}

struct UserSetPassword: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set-password",
        abstract: "Give a user another password, and end every login with the old one.",
        discussion: """
            The password is asked for at the terminal, or comes by standard input:
              doornail user set-password ada --password-stdin < password
            """)

    @Argument(help: "The user's name or id.")
    var name: Name

    @OptionGroup var password: PasswordOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (name, json, hash) = (name.text, output.json, try password.hash())
        try await Database.with(database) { operations, _ in
            try await operations.setPassword(of: name, to: hash)
                .print("Set the password and ended every login of", json: json)
        }
    }
}
