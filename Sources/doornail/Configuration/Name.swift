import ArgumentParser
import OAuth

/// What something is called on the command line: anything but nothing.
struct Name: ExpressibleByArgument, Sendable {
    let text: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        text = argument
    }

    /// The id of a row; wrong usage where it is none.
    /// - Parameter command: what shows such ids.
    func identifier(shownBy command: String) throws -> Identifier {
        guard let id = Identifier(text) else {
            throw ValidationError("'\(text)' is no id; '\(command)' shows the ids there are")
        }
        return id
    }
}
