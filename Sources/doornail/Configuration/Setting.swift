/// Every setting there is, by its variable's name: declared once, read from flags, then the
/// environment, then the JSON file.
enum Setting: String, CaseIterable, Sendable {
    case databaseURL = "DATABASE_URL"
    case issuer = "DOORNAIL_ISSUER"
    case secret = "DOORNAIL_SECRET"
    case secretFile = "DOORNAIL_SECRET_FILE"
    case listen = "DOORNAIL_LISTEN"
    case adminListen = "DOORNAIL_ADMIN_LISTEN"
    case tlsCertificate = "DOORNAIL_TLS_CERTIFICATE"
    case tlsKey = "DOORNAIL_TLS_KEY"
    case trustedProxies = "DOORNAIL_TRUSTED_PROXIES"
    case accessTokenTTL = "DOORNAIL_ACCESS_TOKEN_TTL"
    case refreshTokenIdle = "DOORNAIL_REFRESH_TOKEN_IDLE"
    case refreshTokenMax = "DOORNAIL_REFRESH_TOKEN_MAX"
    case sessionIdle = "DOORNAIL_SESSION_IDLE"
    case sessionMax = "DOORNAIL_SESSION_MAX"
    case lease = "DOORNAIL_LEASE"
    case cache = "DOORNAIL_CACHE"
    case pool = "DOORNAIL_POOL"
    case brandName = "DOORNAIL_BRAND_NAME"
    case brandLogo = "DOORNAIL_BRAND_LOGO"
    case brandColor = "DOORNAIL_BRAND_COLOR"
    case logLevel = "DOORNAIL_LOG_LEVEL"
    case logFormat = "DOORNAIL_LOG_FORMAT"

    /// Its name in the JSON file: the variable's in lower case, without the project's.
    var fileKey: String {
        let name = rawValue.lowercased()
        return name.hasPrefix("doornail_") ? String(name.dropFirst("doornail_".count)) : name
    }

    /// Its flag.
    var flag: String {
        "--" + String(fileKey.map { $0 == "_" ? "-" : $0 })
    }

    /// The key it has in every provider.
    var key: String { rawValue.lowercased() }
}
