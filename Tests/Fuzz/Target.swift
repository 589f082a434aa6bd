/// What reads bytes that others send. A target must return, whatever the bytes are.
enum Target: String, CaseIterable {
    /// A form's body, a query, and an authorization request.
    case form
    /// An Authorization header, and a form on the lines below it.
    case credentials
    /// Tokens, codes and sealed things, forged and as if our secret had sealed them.
    case token
    /// A Cookie header, and the session's own.
    case cookie
    /// A registered redirect URI, and one that is asked for on the next line.
    case redirect
    /// A JWT as a hint at the logout, its claims alone, or a public key.
    case jwt
    /// Trusted proxies, a peer, Forwarded and X-Forwarded-For: a line each.
    case address
    /// Any other header, and what a page makes of it.
    case header
    /// One cell of the database, as every type.
    case value
    /// A row of a statement, and what becomes of it.
    case row
    /// Numbers, as times, epochs and numbers of the log.
    case number

    func examine(_ bytes: [UInt8]) {
        switch self {
        case .form: Forms.examine(form: bytes)
        case .credentials: Forms.examine(credentials: bytes)
        case .token: Tokens.examine(token: bytes)
        case .cookie: Headers.examine(cookie: bytes)
        case .redirect: Forms.examine(redirect: bytes)
        case .jwt: Tokens.examine(jwt: bytes)
        case .address: Headers.examine(address: bytes)
        case .header: Headers.examine(header: bytes)
        case .value: Rows.examine(value: bytes)
        case .row: Rows.examine(row: bytes)
        case .number: Rows.examine(numbers: bytes)
        }
    }
}

/// The lines of a text; at least one.
func lines(_ bytes: [UInt8]) -> [String] {
    bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }
}
