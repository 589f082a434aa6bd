/// The authorization server's metadata (RFC 8414 §2): only what works is named, and empty lists
/// are left out (§3.2).
package enum Metadata {
    /// The document.
    /// - Parameter languages: those that the pages speak
    package static func document(issuer: Issuer, languages: [String]) -> String {
        var json = JSONObject()
        json.set("issuer", issuer.text)
        json.set("authorization_endpoint", issuer.text + "/authorize")
        json.set("token_endpoint", issuer.text + "/token")
        json.set("revocation_endpoint", issuer.text + "/revoke")
        json.set("introspection_endpoint", issuer.text + "/introspect")
        json.set("userinfo_endpoint", issuer.text + "/userinfo")
        json.set("jwks_uri", issuer.text + "/jwks.json")
        json.set("end_session_endpoint", issuer.text + "/logout")
        json.set("response_types_supported", ["code"])
        json.set(
            "response_modes_supported",
            AuthorizationRequest.ResponseMode.allCases.map(\.rawValue))
        json.set("code_challenge_methods_supported", ["S256"])
        json.set("authorization_response_iss_parameter_supported", true)
        json.set("grant_types_supported", GrantType.allCases.map(\.rawValue))
        let methods = ClientRegistration.SecretWay.allCases.map(\.rawValue)
        json.set("token_endpoint_auth_methods_supported", methods + ["none"])
        json.set("revocation_endpoint_auth_methods_supported", methods + ["none"])
        json.set("introspection_endpoint_auth_methods_supported", methods)
        // What OpenID Connect Discovery §3 adds.
        json.set("subject_types_supported", ["public"])
        json.set(
            "id_token_signing_alg_values_supported", SigningAlgorithm.allCases.map(\.rawValue))
        json.set("scopes_supported", ["openid", "profile", "email", "offline_access"])
        json.set(
            "claims_supported",
            UserInfo.claims + [
                "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid",
            ])
        json.set("acr_values_supported", Factor.allCases.map(\.level))
        json.set("prompt_values_supported", AuthorizationRequest.Prompt.allCases.map(\.rawValue))
        json.set("ui_locales_supported", languages)
        return json.encoded
    }
}

/// The issuer's URL (RFC 8414 §2): https, or http on loopback alone, without query or fragment.
package struct Issuer: Sendable, Equatable {
    /// The URL exactly as configured, without a slash at its end.
    package let text: String
    /// Its path, empty or beginning with a slash: everything but health is served below it.
    package let path: String

    /// Whether browsers reach it by https alone.
    package var isSecure: Bool { text.utf8.starts(with: "https:".utf8) }

    /// Why a text cannot be an issuer, in words for the operator.
    package struct Invalid: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    package init(_ given: String) throws(Invalid) {
        func invalid(_ why: String) -> Invalid {
            Invalid(description: "the issuer \(why)")
        }
        let text = given.hasSuffix("/") ? String(given.dropLast()) : given
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw invalid("has a space or a character outside ASCII")
        }
        guard let scheme = RedirectURI.scheme(of: text), scheme == "https" || scheme == "http",
            text.utf8.dropFirst(scheme.utf8.count).starts(with: "://".utf8)
        else { throw invalid("is no http or https URL") }
        guard !text.utf8.contains(where: { "?#\\@\"<>{}|^`%".utf8.contains($0) }) else {
            throw invalid("has a query, a fragment, a user name or an odd character")
        }
        let rest = text.dropFirst(scheme.count + 3)
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count)
        guard !authority.isEmpty, !authority.hasPrefix(":") else { throw invalid("has no host") }
        let afterHost =
            authority.hasPrefix("[") ? authority.drop { $0 != "]" }.dropFirst() : authority
        if let colon = afterHost.firstIndex(of: ":") {
            guard UInt16(afterHost[afterHost.index(after: colon)...]) != nil else {
                throw invalid("has a bad port")
            }
        }
        guard !path.hasSuffix("/"), !path.contains("//"),
            !path.split(separator: "/").contains(where: { $0 == "." || $0 == ".." })
        else { throw invalid("has an odd path") }
        if scheme == "http", !RedirectURI.isLoopback(authority: String(authority)) {
            throw invalid("is http, which is allowed on loopback alone")
        }
        self.text = text
        self.path = String(path)
    }
}
