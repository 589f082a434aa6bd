/// What `Liveness` decides about a row that was read, as conditions for statements that choose among many
/// rows, or that write only while something is alive. A test compares them with `Liveness`.
///
/// Each names a row by its alias; nothing of it is null.
enum Alive {
    /// A row of `sessions`: its user aside.
    static func session(_ row: String, at time: String = Primary.time) -> String {
        used(row, at: time)
    }

    /// A row of `grants`: what it hangs on aside.
    static func grant(_ row: String, at time: String = Primary.time) -> String {
        "\(row).revoked_at IS NULL AND \(row).expires_at > \(time)"
    }

    /// A row of `grants` that has a refresh token: what it hangs on aside.
    static func refreshableGrant(_ row: String, at time: String = Primary.time) -> String {
        used(row, at: time)
    }

    /// A row of `users`, for what carries an epoch of it.
    static func user(_ row: String, epoch: String) -> String {
        "\(row).disabled_at IS NULL AND \(row).epoch = \(epoch)"
    }

    /// A row of `clients`, for what carries an epoch of it.
    static func client(_ row: String, epoch: String) -> String {
        "\(row).disabled_at IS NULL AND \(row).epoch = \(epoch)"
    }

    /// What ends also where it is not used for a while.
    private static func used(_ row: String, at time: String) -> String {
        "\(row).revoked_at IS NULL AND \(row).idle_expires_at > \(time) "
            + "AND \(row).expires_at > \(time)"
    }
}
