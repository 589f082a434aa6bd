/// The version that `--version` prints and that metrics and node rows carry.
enum Version {
    static let text = "0.1.0"
}
