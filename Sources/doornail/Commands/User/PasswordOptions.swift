import ArgumentParser
import Foundation
import OAuth

/// Where a new password comes from; `create` and `set-password` take the same flag.
struct PasswordOptions: ParsableArguments {
    @Flag(
        name: .customLong("password-stdin"),
        help: "Read the password from standard input: one line, with the white space in it.")
    var isFromInput = false

    /// Reads the password, and hashes it, which takes some tenths of a second. Commands call it before they
    /// open the database.
    func hash() throws -> PasswordHash {
        let password = try password()
        if let problem = PasswordHash.problem(with: password) { throw ValidationError(problem) }
        var random = SystemRandomNumberGenerator()
        do {
            return try PasswordHash(password, using: &random)
        } catch {
            throw CommandFailure("the password cannot be hashed: there is not enough memory")
        }
    }

    private func password() throws -> Redacted<String> {
        if isatty(STDIN_FILENO) == 1 { return try Terminal.newPassword() }
        guard isFromInput else {
            throw ValidationError(
                "there is no terminal to ask for the password at; give it on standard input, "
                    + "with --password-stdin")
        }
        // The line as it is: a blank at its end may be part of the password.
        var bytes = Array((try? FileHandle.standardInput.readToEnd()) ?? Data())
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        guard !bytes.isEmpty else { throw ValidationError("no password on standard input") }
        guard !bytes.contains(UInt8(ascii: "\n")), !bytes.contains(UInt8(ascii: "\r")) else {
            throw ValidationError(
                "standard input has more than one line, or ends it with a carriage return; "
                    + "give one password, and one line feed after it")
        }
        return try Self.text(bytes)
    }

    fileprivate static func text(_ bytes: [UInt8]) throws -> Redacted<String> {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ValidationError("the password is no UTF-8 text")
        }
        return Redacted(text)
    }
}

/// The terminal's settings from before the password was asked for. A signal's handler puts them back, too.
///
/// It is global and unsafe because a handler can capture nothing and take no lock. It is sound: the command
/// writes it once, before it installs the handlers that read it.
private nonisolated(unsafe) var settingsBefore = termios()

/// Asks at the terminal without showing what is typed.
private enum Terminal {
    /// The signals that may end the process while the terminal hides what is typed, Ctrl-C among them.
    private static let endings = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

    /// A password, typed twice.
    static func newPassword() throws -> Redacted<String> {
        var before = termios()
        guard unsafe tcgetattr(STDIN_FILENO, &before) == 0 else {
            throw CommandFailure("the terminal cannot be asked: use --password-stdin")
        }
        unsafe settingsBefore = before
        for number in endings {
            signal(number) { number in
                // Both calls are safe in a handler. `raise` ends the process by the signal that it got.
                var before = unsafe settingsBefore
                _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &before)
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        _ = unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &silent)
        defer {
            _ = unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &before)
            for number in endings { signal(number, SIG_DFL) }
        }
        let first = try line("Password: ")
        guard try line("The same again: ") == first else {
            throw ValidationError("the two passwords differ; nothing was changed")
        }
        return try PasswordOptions.text(first)
    }

    /// The bytes of one line, which a terminal hands over as a whole.
    private static func line(_ prompt: String) throws -> [UInt8] {
        FileHandle.standardError.write(Data(prompt.utf8))
        defer { FileHandle.standardError.write(Data("\n".utf8)) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        var count = -1
        repeat {
            count = unsafe read(STDIN_FILENO, &bytes, bytes.count)
        } while count < 0 && errno == EINTR
        guard count > 0 else { throw ValidationError("no password was given") }
        let line = bytes.prefix(count)
        return Array(line.last == UInt8(ascii: "\n") ? line.dropLast() : line)
    }
}
