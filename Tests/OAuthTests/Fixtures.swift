import OAuth

/// Things the tests are about, with what does not matter filled in.
enum Fixture {
    static let secret = "0123456789abcdef0123456789abcdef-a"
    static let otherSecret = "0123456789abcdef0123456789abcdef-b"

    static func identifier(_ number: UInt64) -> Identifier {
        Identifier(high: number, low: ~number)
    }

    static func ring(
        _ secrets: [(UInt8, String)] = [(1, secret)], lacking: Set<UInt8> = []
    ) throws -> KeyRing {
        KeyRing(
            keys: try secrets.map { KeyRing.Key(id: $0.0, secret: try ServerSecret($0.1)) },
            signers: [secrets[0].0], lacking: lacking)
    }

    static func token(
        client: UInt64 = 1, epoch: Int64 = 1, expiresAt: Int64 = 2_000, scope: [String] = ["a"],
        audience: [String] = []
    ) -> AccessToken {
        AccessToken(
            id: identifier(77), keyID: 1, subject: .client(identifier(client), epoch: epoch),
            issuedAt: UnixTime(seconds: 1_000), expiresAt: UnixTime(seconds: expiresAt),
            scope: Scope(stored: scope), audience: audience)
    }

    static func client(
        _ number: UInt64 = 1, method: Client.AuthenticationMethod = .any,
        secrets: [String] = ["right"], grants: [GrantType] = [.clientCredentials],
        scope: [String] = ["a", "b"], audiences: [String] = [],
        introspects: Client.Introspects = .audience, isDisabled: Bool = false
    ) -> Client {
        Client(
            id: identifier(number), clientID: "client-\(number)", method: method,
            secretHashes: secrets.map { ClientSecret.hash(Redacted($0)) }, grantTypes: grants,
            scope: Scope(stored: scope), audiences: audiences, introspects: introspects,
            revokes: .token, epoch: 1, isDisabled: isDisabled)
    }

    static func authenticated(
        _ client: Client, at seconds: Int64 = 1_500
    ) throws -> AuthenticatedClient {
        try AuthenticatedClient.verify(
            PresentedCredentials(
                clientID: client.clientID,
                presented: client.isPublic ? .none : .basic(Redacted("right"))),
            client: client, readAt: UnixTime(seconds: seconds))
    }

    static func form(_ text: String) throws -> Form {
        try Form(parsing: Array(text.utf8))
    }
}
