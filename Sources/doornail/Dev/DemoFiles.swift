import Foundation
import OAuth

/// The secrets of `doornail dev`, in files that only their owner reads, made at the first start.
struct DemoFiles: Sendable {
    /// The demo user's name.
    static let user = "ada"

    let folder: String
    let secretFile: String
    let userPassword: Redacted<String>
    let appSecret: Redacted<String>
    let mailSecret: Redacted<String>
    let apiSecret: Redacted<String>

    init(folder: String) throws {
        self.folder = folder
        var random = SystemRandomNumberGenerator()
        secretFile = folder + "/secret"
        _ = try Self.kept(secretFile) { ServerSecret.random(using: &random) }
        userPassword = Redacted(
            try Self.kept(
                folder + "/demo-user.password", atLeast: Limits.passwordBytes.lowerBound
            ) {
                Self.password(using: &random)
            })
        appSecret = Redacted(
            try Self.kept(folder + "/demo-app.secret") {
                ClientSecret.random(using: &random).value
            })
        mailSecret = Redacted(
            try Self.kept(folder + "/demo-mail.secret") {
                ClientSecret.random(using: &random).value
            })
        apiSecret = Redacted(
            try Self.kept(folder + "/demo-api.secret") {
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

    static func environmentFile(in folder: String) -> String { folder + "/env" }

    /// What a shell needs to work with the running server, to be sourced.
    func writeEnvironment(databaseURL: String, issuer: String) throws {
        let lines = [
            ("DATABASE_URL", databaseURL),
            ("DOORNAIL_ISSUER", issuer),
            ("DOORNAIL_SECRET_FILE", URL(filePath: secretFile).path),
            ("DEMO_USER", Self.user),
            ("DEMO_PASSWORD", userPassword.value),
            ("DEMO_APP_SECRET", appSecret.value),
            ("DEMO_MAIL_SECRET", mailSecret.value),
            ("DEMO_API_SECRET", apiSecret.value),
        ].map { "export \($0)=\(Self.quoted($1))" }
        let path = Self.environmentFile(in: folder)
        try Self.write(lines.joined(separator: "\n") + "\n", to: path)
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
        _ path: String, atLeast bytes: Int = 32, make: () -> String
    ) throws -> String {
        if !FileManager.default.fileExists(atPath: path) {
            try write(make() + "\n", to: path)
        }
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
        } catch {
            throw CommandFailure(
                "\(path) cannot be read: \((error as NSError).localizedDescription)")
        }
        guard text.utf8.count >= bytes else {
            throw CommandFailure("\(path) is damaged; delete it, and a new one is made")
        }
        return text
    }

    /// Writes a file whole or not at all, for its owner alone.
    private static func write(_ text: String, to path: String) throws {
        let temporary = path + ".new"
        let mask = umask(0o077)
        defer { umask(mask) }
        do {
            try Data(text.utf8).write(to: URL(filePath: temporary))
        } catch {
            throw CommandFailure(
                "\(path) cannot be written: \((error as NSError).localizedDescription)")
        }
        guard unsafe rename(temporary, path) == 0 else {
            throw CommandFailure(
                "\(path) cannot be written: \(unsafe String(cString: strerror(errno)))")
        }
    }
}
