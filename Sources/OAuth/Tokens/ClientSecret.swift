internal import Crypto

/// A client's secret: `dn_cs_` and 256 random bits, so that its SHA-256 is all that is stored.
package enum ClientSecret {
    package static let prefix = "dn_cs_"

    /// A new one; it is shown once.
    package static func random(
        using random: inout some RandomNumberGenerator
    ) -> Redacted<String> {
        Redacted(
            prefix
                + Base64.encodeURL(
                    (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }))
    }

    /// What the database keeps of it.
    package static func hash(_ secret: Redacted<String>) -> [UInt8] {
        Array(SHA256.hash(data: Array(secret.value.utf8)))
    }
}

/// The SHA-256 of some bytes.
package func digest(_ bytes: [UInt8]) -> [UInt8] {
    Array(SHA256.hash(data: bytes))
}

/// A SHA-256 of some text, for keys of rows whose content nobody needs to read again.
package func digest(_ text: String) -> [UInt8] {
    digest(Array(text.utf8))
}
