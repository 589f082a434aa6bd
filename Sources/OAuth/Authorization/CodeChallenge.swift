/// A PKCE code challenge by S256, the one method there is (RFC 7636 §4.2).
package struct CodeChallenge: Sendable, Hashable {
    /// The SHA-256 of the verifier.
    package let hash: [UInt8]

    package init(hash: [UInt8]) {
        self.hash = hash
    }

    /// Reads `code_challenge` and `code_challenge_method`, which every client has to send.
    package init(_ form: Form) throws(OAuthError) {
        guard let text = form["code_challenge"] else {
            throw OAuthError(.invalidRequest, "code_challenge is missing: PKCE is required")
        }
        guard form["code_challenge_method"] == "S256" else {
            throw OAuthError(.invalidRequest, "code_challenge_method must be S256")
        }
        guard let hash = Base64.decodeURL(text.utf8), hash.count == 32 else {
            throw OAuthError(
                .invalidRequest,
                "code_challenge must be the base64url of a SHA-256, without padding")
        }
        self.hash = hash
    }

    /// Whether a verifier is the one: 43 to 128 unreserved characters (RFC 7636 §4.1) whose hash is
    /// the challenge.
    package func isMet(by verifier: String) -> Bool {
        (43...128).contains(verifier.utf8.count)
            && verifier.utf8.allSatisfy(Self.isUnreserved)
            && constantTimeEqual(digest(verifier), hash)
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
