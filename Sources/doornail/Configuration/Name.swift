import ArgumentParser
import OAuth

/// A name or an id on the command line: any text that is not empty.
struct Name: ExpressibleByArgument, Sendable {
    let text: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        text = argument
    }

    /// The id that the text is. A text that is no id is wrong usage.
    /// - Parameter command: the command that shows such ids.
    func identifier(shownBy command: String) throws -> Identifier {
        guard let id = Identifier(text) else {
            throw ValidationError("'\(text)' is no id; '\(command)' shows the ids there are")
        }
        return id
    }
}
