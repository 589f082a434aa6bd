/// A registered application or resource server, as the rules see it.
///
/// A class, since every request hands it on: to copy a struct of its size is to count a dozen references.
/// Whoever reads `registration.scope` copies the scope alone.
package final class Client: Sendable {
    package let id: Identifier
    package let clientID: String
    package let registration: ClientRegistration
    /// SHA-256 of the secrets that are valid, the newest first; two while one is being rotated.
    package let secretHashes: [[UInt8]]
    package let epoch: Int64
    package let isDisabled: Bool

    package init(
        id: Identifier, clientID: String, registration: ClientRegistration,
        secretHashes: [[UInt8]], epoch: Int64, isDisabled: Bool
    ) {
        self.id = id
        self.clientID = clientID
        self.registration = registration
        self.secretHashes = secretHashes
        self.epoch = epoch
        self.isDisabled = isDisabled
    }

    package var isPublic: Bool { registration.method.isPublic }

    /// Whether a text can be a client id: 1 to 255 of %x21-7E (RFC 6749 appendix A.1, less the
    /// space), and not in UUID form, so that it never equals a `sub` (RFC 9700 §4.15).
    package static func isClientID(_ text: String) -> Bool {
        (1...Limits.clientIDBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            && Identifier(text) == nil
    }
}

extension GrantType {
    /// That a client was registered for a grant, else `unauthorized_client`.
    package func requireRegistered(by client: Client) throws(OAuthError) {
        guard client.registration.grantTypes.contains(self) else {
            throw OAuthError(
                .unauthorizedClient, "the client is not registered for the grant \(rawValue)")
        }
    }
}
