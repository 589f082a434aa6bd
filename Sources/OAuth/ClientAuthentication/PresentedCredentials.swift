/// What a request says about who sends it (RFC 6749 §2.3), before it is checked.
package struct PresentedCredentials: Sendable, Equatable {
    /// How the secret came.
    package enum Presented: Sendable, Equatable {
        case basic(Redacted<String>)
        case body(Redacted<String>)
        /// A `client_id` alone: a public client, or one that forgot its secret.
        case none
    }

    package let clientID: String
    package let presented: Presented

    package init(clientID: String, presented: Presented) {
        self.clientID = clientID
        self.presented = presented
    }

    /// Reads the `Authorization` header and the body's `client_id` and `client_secret`.
    ///
    /// Two methods in one request are `invalid_request` (RFC 6749 §2.3); bad Basic credentials, or none
    /// at all, are `invalid_client`.
    package init(authorization: [String], form: Form) throws(OAuthError) {
        guard authorization.count <= 1 else {
            throw OAuthError(.invalidRequest, "more than one Authorization header")
        }
        guard let header = authorization.first else {
            guard let clientID = form["client_id"] else {
                throw OAuthError(.invalidClient, "the client did not authenticate")
            }
            self.clientID = clientID
            self.presented = form["client_secret"].map { .body(Redacted($0)) } ?? .none
            return
        }
        let (clientID, secret) = try Self.basic(header)
        guard form["client_secret"] == nil else {
            throw OAuthError(.invalidRequest, "the client authenticates in two ways at once")
        }
        if let other = form["client_id"], Array(other.utf8) != Array(clientID.utf8) {
            throw OAuthError(
                .invalidRequest, "client_id differs from the client that authenticates")
        }
        self.clientID = clientID
        self.presented = .basic(Redacted(secret))
    }

    /// Reads HTTP Basic (RFC 7617), whose two halves are form-encoded (RFC 6749 §2.3.1).
    private static func basic(_ header: String) throws(OAuthError) -> (String, String) {
        let header = Array(header.utf8).drop { $0 == UInt8(ascii: " ") }
        let scheme = header.prefix { $0 != UInt8(ascii: " ") }
        guard String(decoding: scheme, as: UTF8.self).lowercased() == "basic" else {
            throw OAuthError(.invalidClient, "the Authorization scheme must be Basic")
        }
        let encoded = header[scheme.endIndex...].filter { $0 != UInt8(ascii: " ") }
        guard let bytes = Base64.decodeStandard(encoded),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            let clientID = Form.decode(bytes[..<colon]),
            let secret = Form.decode(bytes[(colon + 1)...])
        else { throw OAuthError(.invalidClient, "the Basic credentials cannot be read") }
        return (clientID, secret)
    }
}
