/// A refusal that the protocol knows: its code, what the caller may read, and what only the log says.
package struct OAuthError: Error, Equatable, Sendable {
    /// Error codes, from RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 7009 §2.2.1, RFC 8707 §2
    /// and OpenID Connect Core §3.1.2.6.
    package enum Code: String, Sendable, CaseIterable {
        case invalidRequest = "invalid_request"
        case invalidClient = "invalid_client"
        case invalidGrant = "invalid_grant"
        case unauthorizedClient = "unauthorized_client"
        case unsupportedGrantType = "unsupported_grant_type"
        case invalidScope = "invalid_scope"
        case invalidTarget = "invalid_target"
        case accessDenied = "access_denied"
        case unsupportedResponseType = "unsupported_response_type"
        case loginRequired = "login_required"
        case consentRequired = "consent_required"
        case requestNotSupported = "request_not_supported"
        case requestURINotSupported = "request_uri_not_supported"
        case invalidToken = "invalid_token"
        case insufficientScope = "insufficient_scope"
        case tooManyRequests = "too_many_requests"
    }

    /// What is wrong with a request that a person brought, where a page says so: in the person's
    /// language, which a description is not.
    package enum Reason: Equatable, Sendable {
        case missing(parameter: String)
        case repeated(parameter: String)
        case unreadable(parameter: String?)
        case tooManyParameters
        case tooLong
        case notAForm
        case unknownClient
        case unknownRedirectURI
        case damagedLink
    }

    package let code: Code
    /// For the caller, in the characters of RFC 6749 §5.2 alone: %x20-21, %x23-5B, %x5D-7E.
    package let description: String
    /// For the log: what exactly was wrong, where the caller must not learn it.
    package let detail: String?
    /// For `tooManyRequests`: when to ask again.
    package let retryAfterSeconds: Int64?
    /// The description once more, for pages; nil where only programs read it.
    package let reason: Reason?

    /// `invalid_request`, for a reason that a page can say.
    package init(_ reason: Reason, detail: String? = nil) {
        code = .invalidRequest
        description = Self.printable(reason.description)
        self.detail = detail
        retryAfterSeconds = nil
        self.reason = reason
    }

    package init(
        _ code: Code, _ description: String, detail: String? = nil, retryAfterSeconds: Int64? = nil
    ) {
        self.code = code
        self.description = Self.printable(description)
        self.detail = detail
        self.retryAfterSeconds = retryAfterSeconds
        reason = nil
    }

    /// Replaces what an `error_description` may not contain (RFC 6749 §5.2), and cuts what somebody
    /// sent to be echoed.
    private static func printable(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(300) {
            switch scalar.value {
            case 0x20...0x21, 0x23...0x5B, 0x5D...0x7E: scalars.append(scalar)
            default: scalars.append(scalar == "\"" ? "'" : "?")
            }
        }
        return String(scalars)
    }
}

extension OAuthError.Reason {
    /// The `error_description`.
    fileprivate var description: String {
        switch self {
        case .missing(let name): "the parameter \(name) is missing"
        case .repeated(let name): "the parameter \(name) is repeated"
        case .unreadable(let name?): "the parameter \(name) is not valid form encoding"
        case .unreadable(nil): "a parameter name is not valid form encoding"
        case .tooManyParameters: "more than \(Limits.parameters) parameters"
        case .tooLong: "the request is longer than \(Limits.authorizationRequestBytes) bytes"
        case .notAForm: "the request is no form"
        case .unknownClient: "there is no such client, or it is disabled"
        case .unknownRedirectURI: "redirect_uri is not one that the client registered"
        case .damagedLink: "the link is damaged; start again at the app"
        }
    }
}
