/// How many failures are borne before 429, and for how long they count.
///
/// Failures alone are counted, in the database, so that neither a restart nor another node forgets.
package struct Throttle: Sendable, Hashable {
    /// What identifies the counter: a digest, since the row needs no address in clear.
    package let key: [UInt8]
    package let failures: Int
    package let windowSeconds: Int64
    /// What there are too many of, for the answer.
    package let what: String

    /// Wrong client secrets, per client and address. A correct secret is never throttled.
    package static func clientSecret(clientID: String, network: String) -> Throttle {
        Throttle(
            // A client id has no space, so the two parts cannot be shifted against each other.
            key: digest("client-secret \(clientID) \(network)"),
            failures: Limits.clientSecretFailures,
            windowSeconds: Limits.clientSecretWindowSeconds, what: "wrong secrets")
    }

    /// Wrong passwords for an account name as it was typed, existing or not.
    /// - Parameter hash: a keyed hash of the name, since people type passwords there.
    package static func accountName(hash: [UInt8]) -> Throttle {
        password(key: digest(Array("account ".utf8) + hash))
    }

    /// Wrong passwords from a browser that once logged in to the account. It has a limit of its own,
    /// so that strangers cannot lock the owner out.
    package static func device(_ id: Identifier) -> Throttle {
        password(key: digest("device \(id)"))
    }

    private static func password(key: [UInt8]) -> Throttle {
        Throttle(
            key: key, failures: Limits.passwordFailures,
            windowSeconds: Limits.passwordWindowSeconds, what: "failed logins")
    }

    /// Wrong passwords from one address, whatever the account.
    package static func loginAddress(network: String) -> Throttle {
        Throttle(
            key: digest("login-address \(network)"), failures: Limits.addressFailures,
            windowSeconds: Limits.addressWindowSeconds, what: "failed logins")
    }

    /// The answer once a failure was counted: nil while it is borne.
    package func refusal(count: Int, secondsLeft: Int64) -> OAuthError? {
        guard count > failures else { return nil }
        return OAuthError(
            .tooManyRequests, "too many \(what); try again later",
            retryAfterSeconds: max(1, secondsLeft))
    }
}
