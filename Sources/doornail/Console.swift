import ArgumentParser
import Foundation
import OAuth
import Operations
import Postgres
import Serving
import Storage
import Web

/// Why a command failed, in words that say what to do. It exits 1.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// What commands print and read.
enum Console {
    /// A line for people, on standard error.
    static func error(_ text: String) {
        LogSink.flushStandardError()
        FileHandle.standardError.write(Data("doornail: \(TokenMask.masked(text))\n".utf8))
    }

    /// A text without the tokens and secrets that somebody gave as arguments by mistake.
    static func withoutTokens(_ text: String) -> String {
        let cleaned = TokenMask.masked(text)
        return cleaned == text
            ? text
            : cleaned + "\n  A token or secret comes by standard input, never as an argument."
    }

    /// Text for people, written immediately, also where standard output is a pipe.
    static func print(_ text: String) {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }

    /// One JSON document.
    static func print(json value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        Swift.print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// One thing for people: a line for each value that is not empty.
    static func print(fields: [(String, String)]) {
        for (name, value) in fields where !value.isEmpty {
            Swift.print("\(name): \(printable(value))")
        }
    }

    /// The beginning of a text that may be long, for a table.
    static func shortened(_ text: String) -> String {
        text.count > 50 ? String(text.prefix(47)) + "..." : text
    }

    /// A table with a header, columns as wide as their widest cell.
    static func print(table rows: [[String]], header: [String]) {
        let all = [header] + rows.map { $0.map(printable) }
        let widths = header.indices.map { column in
            all.map { $0[column].count }.max() ?? 0
        }
        for row in all {
            let line = zip(row, widths).map { cell, width in
                cell + String(repeating: " ", count: width - cell.count)
            }.joined(separator: "  ")
            Swift.print(String(line.reversed().drop { $0 == " " }.reversed()))
        }
    }

    /// One secret text from standard input: one line, without white space around it.
    static func readSecret(named name: String) throws -> Redacted<String> {
        if isatty(STDIN_FILENO) == 1 {
            FileHandle.standardError.write(
                Data("Paste the \(name), then press Return:\n".utf8))
        }
        var lines: [String] = []
        // A terminal gives one line. More than one from a pipe or file is a mistake.
        while let line = readLine(strippingNewline: true) {
            let text = line.trimmingCharacters(in: .whitespaces)
            if !text.isEmpty { lines.append(text) }
            if isatty(STDIN_FILENO) == 1 { break }
        }
        guard lines.count <= 1 else {
            throw ValidationError(
                "standard input has \(lines.count) lines; give one \(name) at a time")
        }
        guard let line = lines.first else {
            throw ValidationError(
                "no \(name) on standard input; give it there, not as an argument: "
                    + "a command line can be read by others")
        }
        return Redacted(line)
    }

    /// Who runs the command, for the audit trail.
    static var actor: Actor {
        .commandLine(NSUserName().isEmpty ? "\(getuid())" : NSUserName())
    }
}
