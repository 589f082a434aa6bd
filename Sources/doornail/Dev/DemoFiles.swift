import Foundation
import OAuth

/// The secrets of `doornail dev`, in files that only their owner reads, made at the first start.
struct DemoFiles: Sendable {
    /// The demo user's name.
    static let user = "ada"

    private let files: Folder
    let secretFile: String
    let userPassword: Redacted<String>
    let appSecret: Redacted<String>
    let mailSecret: Redacted<String>
    let apiSecret: Redacted<String>

    init(_ files: Folder) throws {
        self.files = files
        var random = SystemRandomNumberGenerator()
        secretFile = files.path + "/secret"
        _ = try Self.kept("secret", in: files) { ServerSecret.random(using: &random) }
        userPassword = Redacted(
            try Self.kept(
                "demo-user.password", in: files, atLeast: Limits.passwordBytes.lowerBound
            ) {
                Self.password(using: &random)
            })
        appSecret = Redacted(
            try Self.kept("demo-app.secret", in: files) {
                ClientSecret.random(using: &random).value
            })
        mailSecret = Redacted(
            try Self.kept("demo-mail.secret", in: files) {
                ClientSecret.random(using: &random).value
            })
        apiSecret = Redacted(
            try Self.kept("demo-api.secret", in: files) {
                ClientSecret.random(using: &random).value
            })
    }

    /// A password that can be read and typed: 100 random bits in groups, without letters that look
    /// like digits.
    private static func password(using random: inout some RandomNumberGenerator) -> String {
        let letters = Array("abcdefghijkmnpqrstuvwxyz23456789".utf8)
        var groups: [String] = []
        for _ in 0..<4 {
            let group = (0..<5).map { _ in letters[Int.random(in: 0..<32, using: &random)] }
            groups.append(String(decoding: group, as: UTF8.self))
        }
        return groups.joined(separator: "-")
    }

    private static let environment = "env"

    static func environmentFile(in folder: String) -> String { "\(folder)/\(environment)" }

    /// What a shell needs to work with the running server, to be sourced.
    func writeEnvironment(databaseURL: String, issuer: String) throws {
        let lines = [
            ("DATABASE_URL", databaseURL),
            ("DOORNAIL_ISSUER", issuer),
            ("DOORNAIL_SECRET_FILE", secretFile),
            ("DEMO_USER", Self.user),
            ("DEMO_PASSWORD", userPassword.value),
            ("DEMO_APP_SECRET", appSecret.value),
            ("DEMO_MAIL_SECRET", mailSecret.value),
            ("DEMO_API_SECRET", apiSecret.value),
        ].map { "export \($0)=\(Self.quoted($1))" }
        try Self.write(lines.joined(separator: "\n") + "\n", as: Self.environment, in: files)
    }

    /// A text as one word of a POSIX shell.
    static func quoted(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "_-./:@%+=".utf8.contains(byte)
            }
        }
        return plain && !text.isEmpty
            ? text : "'" + text.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }

    /// The text that a file keeps, made at the first start.
    private static func kept(
        _ name: String, in files: Folder, atLeast bytes: Int = 32, make: () -> String
    ) throws -> String {
        if !files.has(name) { try write(make() + "\n", as: name, in: files) }
        guard let text = files.text(of: name) else {
            throw CommandFailure("\(files.path)/\(name) cannot be read, or is a link: remove it")
        }
        let kept = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard kept.utf8.count >= bytes else {
            throw CommandFailure(
                "\(files.path)/\(name) is damaged; delete it, and a new one is made")
        }
        return kept
    }

    private static func write(_ text: String, as name: String, in files: Folder) throws {
        do {
            try files.save(text, as: name)
        } catch {
            throw CommandFailure(error.description)
        }
    }
}
