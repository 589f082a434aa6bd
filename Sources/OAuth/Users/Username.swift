/// The name that a person logs in with.
package struct Username: Sendable, Hashable {
    /// As it was given, without blanks around it.
    package let text: String
    /// The spelling that it is looked up by: names that differ in case alone are one.
    package var key: String { text.lowercased() }

    /// Takes 1 to 255 bytes without control characters; not in UUID form, so that a name is never
    /// taken for an id.
    package init?(_ given: String) {
        guard given.utf8.count <= Limits.usernameBytes * 2 else { return nil }
        var scalars = given.unicodeScalars[...]
        while let first = scalars.first, first.properties.isWhitespace { scalars.removeFirst() }
        while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
        let text = String(scalars)
        guard (1...Limits.usernameBytes).contains(text.utf8.count),
            text.unicodeScalars.allSatisfy({ scalar in
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate,
                    .privateUse, .unassigned:
                    false
                default: true
                }
            }), Identifier(text) == nil
        else { return nil }
        self.text = text
    }
}
