import ArgumentParser

/// What something is called on the command line: anything but nothing.
struct Name: ExpressibleByArgument, Sendable {
    let text: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        text = argument
    }
}
