/// What is wrong with the configuration, in words that say what to do.
struct InvalidSetting: Error, CustomStringConvertible {
    let description: String
    /// Whether a flag gave the value: then it is wrong usage, and the command exits 2.
    var isUsage = false
}
