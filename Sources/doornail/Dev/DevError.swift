/// Why `doornail dev` cannot go on, as one sentence that says what to do.
struct DevError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
