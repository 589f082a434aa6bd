internal import Crypto

/// Seals tokens and opens them: a prefix, then base64url of a compact payload with an HMAC tag.
///
/// A text is opened only if it is exactly what was sealed; every truncation, flipped bit, changed
/// case and added padding is `forged`, which costs no query.
package struct TokenCodec: Sendable {
    package static let accessTokenPrefix = "dn_at_"
    package static let refreshTokenPrefix = "dn_rt_"
    package static let authorizationCodePrefix = "dn_ac_"
    /// Bytes of the tag: HMAC-SHA-256, cut to 128 bits (RFC 2104 §5).
    static let tagBytes = 16

    private enum Flags {
        static let client: UInt8 = 1
        static let scope: UInt8 = 2
        static let audience: UInt8 = 4
    }

    private let ring: KeyRing

    package init(_ ring: KeyRing) {
        self.ring = ring
    }

    // MARK: Boxes

    /// A payload under a tag, as base64url; nil without the secret of the key id.
    package func seal(
        _ payload: [UInt8], for purpose: ServerSecret.Purpose, keyID: UInt8
    ) -> Redacted<String>? {
        guard let code = ring.code(keyID, for: purpose) else { return nil }
        let bytes = [keyID] + payload
        let tag = code.of(bytes)
        return Redacted(Base64.encodeURL(bytes + tag.prefix(Self.tagBytes)))
    }

    /// A payload whose tag is right, and the key id it is under.
    package func open(
        _ text: some Sequence<UInt8>, for purpose: ServerSecret.Purpose
    ) -> Presented<SealedPayload> {
        guard let sealed = Base64.decodeURL(text), sealed.count > Self.tagBytes,
            let keyID = sealed.first
        else { return .forged }
        guard let code = ring.code(keyID, for: purpose) else {
            return ring.lacking.contains(keyID) ? .secretMissing(keyID: keyID) : .unknownKey
        }
        let bytes = Array(sealed.dropLast(Self.tagBytes))
        let expected = code.of(bytes)
        guard
            constantTimeEqual(
                Array(expected.prefix(Self.tagBytes)), Array(sealed.suffix(Self.tagBytes)))
        else { return .forged }
        return .authentic(SealedPayload(keyID: keyID, bytes: Array(bytes.dropFirst())))
    }

    /// What was sealed.
    package struct SealedPayload: Sendable, Equatable {
        package let keyID: UInt8
        package let bytes: [UInt8]
    }

    private func seal(
        prefix: String, _ payload: [UInt8], for purpose: ServerSecret.Purpose, keyID: UInt8
    ) -> Redacted<String>? {
        seal(payload, for: purpose, keyID: keyID).map { Redacted(prefix + $0.value) }
    }

    private func open(
        prefix: String, _ text: String, for purpose: ServerSecret.Purpose
    ) -> Presented<SealedPayload> {
        let utf8 = text.utf8
        guard utf8.count <= Limits.tokenBytes, utf8.starts(with: prefix.utf8) else {
            return .forged
        }
        return open(utf8.dropFirst(prefix.utf8.count), for: purpose)
    }

    // MARK: Tokens

    /// Opens what somebody presented as a token.
    package func open(_ text: String) -> Presented<Token> {
        if text.utf8.starts(with: Self.refreshTokenPrefix.utf8) {
            return open(prefix: Self.refreshTokenPrefix, text, for: .refreshToken)
                .map { Self.refreshToken($0).map(Token.refresh) }
        }
        return open(prefix: Self.accessTokenPrefix, text, for: .accessToken)
            .map { Self.accessToken($0).map(Token.access) }
    }

    /// Opens what somebody presented as an authorization code.
    package func openCode(_ text: String) -> Presented<AuthorizationCode> {
        open(prefix: Self.authorizationCodePrefix, text, for: .authorizationCode).map { sealed in
            var reader = PayloadReader(sealed.bytes[...])
            guard let id = reader.identifier(), reader.isAtEnd else { return nil }
            return AuthorizationCode(id: id, keyID: sealed.keyID)
        }
    }

    /// The text of an authorization code, under the secret that its `keyID` names; nil without it.
    package func seal(_ code: AuthorizationCode) -> Redacted<String>? {
        var writer = PayloadWriter()
        writer.append(code.id)
        return seal(
            prefix: Self.authorizationCodePrefix, writer.bytes, for: .authorizationCode,
            keyID: code.keyID)
    }

    /// The text of a refresh token, under the secret that its `keyID` names; nil without it.
    package func seal(_ token: RefreshToken) -> Redacted<String>? {
        var writer = PayloadWriter()
        writer.append(token.grant)
        writer.append(UInt64(bitPattern: token.generation))
        return seal(
            prefix: Self.refreshTokenPrefix, writer.bytes, for: .refreshToken, keyID: token.keyID)
    }

    private static func refreshToken(_ sealed: SealedPayload) -> RefreshToken? {
        var reader = PayloadReader(sealed.bytes[...])
        guard let grant = reader.identifier(), let generation = reader.integer(), reader.isAtEnd
        else { return nil }
        return RefreshToken(
            grant: grant, generation: Int64(bitPattern: generation), keyID: sealed.keyID)
    }

    /// The text of an access token, under the secret that its `keyID` names; nil without it.
    package func seal(_ token: AccessToken) -> Redacted<String>? {
        var writer = PayloadWriter()
        var flags: UInt8 = 0
        if token.scope != nil { flags |= Flags.scope }
        if token.audience != nil { flags |= Flags.audience }
        if case .client = token.subject { flags |= Flags.client }
        writer.append(flags)
        writer.append(token.id)
        writer.append(UInt64(bitPattern: token.issuedAt.seconds))
        writer.append(UInt64(bitPattern: token.expiresAt.seconds))
        switch token.subject {
        case .client(let id, let epoch):
            writer.append(id)
            writer.append(UInt64(bitPattern: epoch))
        case .grant(let id):
            writer.append(id)
        }
        if let scope = token.scope { writer.append(scope.description) }
        if let audience = token.audience {
            writer.append(UInt8(clamping: audience.count))
            for uri in audience { writer.append(uri) }
        }
        return seal(
            prefix: Self.accessTokenPrefix, writer.bytes, for: .accessToken, keyID: token.keyID)
    }

    /// The id that a text claims to have as an access token: the key id, flags and the id are its
    /// first 24 characters. Nothing is proven by it.
    package static func claimedID(ofAccessToken text: [UInt8]) -> Identifier? {
        let begin = accessTokenPrefix.utf8.count
        guard text.count > begin + 24, text.starts(with: accessTokenPrefix.utf8),
            let bytes = Base64.decodeURL(text[begin..<(begin + 24)])
        else { return nil }
        var reader = PayloadReader(bytes[2...])
        return reader.identifier()
    }

    private static func accessToken(_ sealed: SealedPayload) -> AccessToken? {
        var reader = PayloadReader(sealed.bytes[...])
        guard let flags = reader.byte(),
            flags & ~(Flags.client | Flags.scope | Flags.audience) == 0,
            let id = reader.identifier(), let issuedAt = reader.integer(),
            let expiresAt = reader.integer(), let subject = reader.identifier()
        else { return nil }
        var epoch: UInt64?
        if flags & Flags.client != 0 {
            epoch = reader.integer()
            if epoch == nil { return nil }
        }
        var scope: Scope?
        if flags & Flags.scope != 0 {
            guard let text = reader.string() else { return nil }
            scope = Scope(stored: text.split(separator: " ").map(String.init))
        }
        var audience: [String]?
        if flags & Flags.audience != 0 {
            guard let count = reader.byte() else { return nil }
            var uris: [String] = []
            for _ in 0..<count {
                guard let uri = reader.string() else { return nil }
                uris.append(uri)
            }
            audience = uris
        }
        guard reader.isAtEnd else { return nil }
        return AccessToken(
            id: id, keyID: sealed.keyID,
            subject: epoch.map { .client(subject, epoch: Int64(bitPattern: $0)) }
                ?? .grant(subject),
            issuedAt: UnixTime(seconds: Int64(bitPattern: issuedAt)),
            expiresAt: UnixTime(seconds: Int64(bitPattern: expiresAt)),
            scope: scope, audience: audience)
    }

    /// A keyed hash: what nobody without the secret can compute or guess back.
    package func keyedHash(
        _ text: String, for purpose: ServerSecret.Purpose, keyID: UInt8
    ) -> [UInt8]? {
        ring.code(keyID, for: purpose).map { Array($0.of(Array(text.utf8))) }
    }
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
///
/// It is about arrays: as generic code of another module it took a fifth of the time of an
/// introspection.
package func constantTimeEqual(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for (one, other) in zip(left.indices, right.indices) {
        difference |= left[one] ^ right[other]
    }
    return difference == 0
}

/// The same for other collections.
package func constantTimeEqual(
    _ left: some Collection<UInt8>, _ right: some Collection<UInt8>
) -> Bool {
    constantTimeEqual(Array(left)[...], Array(right)[...])
}
