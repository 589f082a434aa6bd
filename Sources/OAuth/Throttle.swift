/// How many failures are borne before 429, and for how long they count.
///
/// Failures alone are counted, in the database, so that neither a restart nor another node forgets.
package struct Throttle: Sendable, Hashable {
    /// What identifies the counter: a digest, since the row needs no address in clear.
    package let key: [UInt8]
    package let failures: Int
    package let windowSeconds: Int64

    /// Wrong client secrets, per client and address. A correct secret is never throttled.
    package static func clientSecret(clientID: String, network: String) -> Throttle {
        Throttle(
            // A client id has no space, so the two parts cannot be shifted against each other.
            key: digest("client-secret \(clientID) \(network)"),
            failures: Limits.clientSecretFailures,
            windowSeconds: Limits.clientSecretWindowSeconds)
    }

    /// The answer once a failure was counted: nil while it is borne.
    package func refusal(count: Int, secondsLeft: Int64) -> OAuthError? {
        guard count > failures else { return nil }
        return OAuthError(
            .tooManyRequests, "too many wrong secrets; ask again later",
            retryAfterSeconds: max(1, secondsLeft))
    }
}
