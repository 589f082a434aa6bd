import ArgumentParser
import Cluster
import OAuth
import Storage

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

    private func checkedUsername() throws -> Username {
        guard let username = Username(username) else {
            throw ValidationError(
                "--username: a user name is 1 to \(Limits.usernameBytes) bytes without control "
                    + "characters, and not in UUID form")
        }
        return username
    }

    func validate() throws {
        _ = try checkedUsername()
        if let name {
            guard (1...Limits.nameBytes).contains(name.utf8.count), Console.printable(name) == name
            else {
                throw ValidationError(
                    "--name: a name is 1 to \(Limits.nameBytes) bytes without control characters")
            }
        }
        if let email {
            guard Self.isEmail(email) else {
                throw ValidationError(
                    "--email: an address is like ada@example.com: at most \(Self.emailBytes) "
                        + "bytes, one @, no spaces")
            }
        } else if isEmailVerified {
            throw ValidationError("--email-verified says something about --email: give both")
        }
    }

    /// The longest address that mail can be sent to, in bytes (RFC 5321 §4.5.3.1.3).
    private static let emailBytes = 254

    /// Whether a text looks like an address; only mail that arrives proves more.
    private static func isEmail(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return text.utf8.count <= emailBytes && parts.count == 2
            && parts.allSatisfy { !$0.isEmpty } && Console.printable(text) == text
            && !text.unicodeScalars.contains { $0.properties.isWhitespace }
    }

    func run() async throws {
        let json = output.json
        let user = NewUser(
            id: newIdentifier(), username: try checkedUsername(), name: name, email: email,
            isEmailVerified: isEmailVerified, passwordHash: try password.hash())
        try await Database.with(database) { database, _ in
            try await database.store.createUser(user)
            let record = try await database.store.userRecord(UserReference(user.id.description))
            try UserDocument(record).print(json: json)
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
        try await endUser(
            .password(UserReference(name.text), password.hash()), name: name.text,
            done: "Set the password and ended every login of", reason: "password set", database,
            output)
    }
}
