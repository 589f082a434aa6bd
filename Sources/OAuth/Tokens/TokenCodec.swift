internal import Crypto

/// Seals tokens and opens them: `dn_at_` and base64url of a compact payload with an HMAC tag.
///
/// A text is opened only if it is exactly what was sealed; every truncation, flipped bit, changed
/// case and added padding is `forged`, which costs no query.
package struct TokenCodec: Sendable {
    package static let accessTokenPrefix = "dn_at_"
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

    /// The text of an access token, under the secret that its `keyID` names; nil without it.
    package func seal(_ token: AccessToken) -> Redacted<String>? {
        guard let key = ring.accessTokenKey(token.keyID) else { return nil }
        var writer = PayloadWriter()
        writer.append(token.keyID)
        var flags: UInt8 = 0
        if !token.scope.isEmpty { flags |= Flags.scope }
        if !token.audience.isEmpty { flags |= Flags.audience }
        switch token.subject {
        case .client: flags |= Flags.client
        }
        writer.append(flags)
        writer.append(token.id)
        writer.append(UInt64(bitPattern: token.issuedAt.seconds))
        writer.append(UInt64(bitPattern: token.expiresAt.seconds))
        switch token.subject {
        case .client(let id, let epoch):
            writer.append(id)
            writer.append(UInt64(bitPattern: epoch))
        }
        if flags & Flags.scope != 0 { writer.append(token.scope.description) }
        if flags & Flags.audience != 0 {
            writer.append(UInt8(clamping: token.audience.count))
            for uri in token.audience { writer.append(uri) }
        }
        let tag = HMAC<SHA256>.authenticationCode(for: writer.bytes, using: key)
        let sealed = writer.bytes + tag.prefix(Self.tagBytes)
        return Redacted(Self.accessTokenPrefix + Base64.encodeURL(sealed))
    }

    /// Opens what somebody presented as a token.
    package func open(_ text: String) -> PresentedToken {
        let prefix = Self.accessTokenPrefix.utf8
        let utf8 = text.utf8
        guard utf8.count <= Limits.tokenBytes, utf8.starts(with: prefix),
            let sealed = Base64.decodeURL(utf8.dropFirst(prefix.count)),
            sealed.count > Self.tagBytes, let keyID = sealed.first
        else { return .forged }
        guard let key = ring.accessTokenKey(keyID) else {
            return ring.lacking.contains(keyID) ? .secretMissing(keyID: keyID) : .unknownKey
        }
        let payload = sealed.dropLast(Self.tagBytes)
        let expected = HMAC<SHA256>.authenticationCode(for: payload, using: key)
        guard constantTimeEqual(Array(expected.prefix(Self.tagBytes)), sealed.suffix(Self.tagBytes))
        else {
            return .forged
        }
        return Self.decode(payload).map(PresentedToken.access) ?? .forged
    }

    private static func decode(_ payload: ArraySlice<UInt8>) -> AccessToken? {
        var reader = PayloadReader(payload)
        guard let keyID = reader.byte(), let flags = reader.byte(),
            flags & Flags.client != 0,
            flags & ~(Flags.client | Flags.scope | Flags.audience) == 0,
            let id = reader.identifier(), let issuedAt = reader.integer(),
            let expiresAt = reader.integer(), let client = reader.identifier(),
            let epoch = reader.integer()
        else { return nil }
        var scope = Scope.none
        if flags & Flags.scope != 0 {
            guard let text = reader.string() else { return nil }
            scope = Scope(stored: text.split(separator: " ").map(String.init))
        }
        var audience: [String] = []
        if flags & Flags.audience != 0 {
            guard let count = reader.byte() else { return nil }
            for _ in 0..<count {
                guard let uri = reader.string() else { return nil }
                audience.append(uri)
            }
        }
        guard reader.isAtEnd else { return nil }
        return AccessToken(
            id: id, keyID: keyID,
            subject: .client(client, epoch: Int64(bitPattern: epoch)),
            issuedAt: UnixTime(seconds: Int64(bitPattern: issuedAt)),
            expiresAt: UnixTime(seconds: Int64(bitPattern: expiresAt)),
            scope: scope, audience: audience)
    }
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
package func constantTimeEqual(
    _ left: some Collection<UInt8>, _ right: some Collection<UInt8>
) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for (a, b) in zip(left, right) { difference |= a ^ b }
    return difference == 0
}

/// Writes a token's payload: big-endian integers, strings with a 16-bit length.
private struct PayloadWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ byte: UInt8) {
        bytes.append(byte)
    }

    mutating func append(_ value: UInt64) {
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }

    mutating func append(_ identifier: Identifier) {
        append(identifier.high)
        append(identifier.low)
    }

    /// The length fits: a scope has at most 4 KiB and an audience 1 KiB (`Limits`).
    mutating func append(_ text: String) {
        let utf8 = text.utf8
        bytes.append(UInt8(truncatingIfNeeded: utf8.count >> 8))
        bytes.append(UInt8(truncatingIfNeeded: utf8.count))
        bytes.append(contentsOf: utf8)
    }
}

/// Reads what `PayloadWriter` wrote; nil wherever the payload ends too early.
private struct PayloadReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func byte() -> UInt8? {
        rest.popFirst()
    }

    mutating func integer() -> UInt64? {
        guard rest.count >= 8 else { return nil }
        defer { rest = rest.dropFirst(8) }
        return rest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func identifier() -> Identifier? {
        guard let high = integer(), let low = integer() else { return nil }
        return Identifier(high: high, low: low)
    }

    mutating func string() -> String? {
        guard let high = byte(), let low = byte() else { return nil }
        let count = Int(high) << 8 | Int(low)
        guard rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return String(validating: rest.prefix(count), as: UTF8.self)
    }
}
