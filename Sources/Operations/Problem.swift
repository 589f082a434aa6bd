package import OAuth
import Storage

/// Why a verb was not done.
package enum Problem: Error, Sendable {
    case store(StoreError)
    /// The server's secrets that were given do not fit those that the database knows.
    case secrets(SecretRules.Refusal)
    /// No client can have this id.
    case clientID(String)
    case registration([ClientRegistration.Problem])
    /// A public client, by its client id, has no secret that could be changed.
    case publicClient(String)
    /// The text is no token of this server, or not all of one.
    case unknownToken
    /// None of the given secrets is in use, and signing keys are kept under those that are.
    case noSecretInUse
    /// The database took no new signing key.
    case noNewKey(SigningAlgorithm)
}
