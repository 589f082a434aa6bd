import ArgumentParser

/// Where to find the database, for every command that needs it.
struct DatabaseOptions: ParsableArguments {
    @Option(
        name: .customLong("database-url"),
        help: ArgumentHelp(
            "PostgreSQL, as a libpq URI or key=value list (DATABASE_URL). No password here: a "
                + "command line can be read by others; use the variable.",
            valueName: "uri"))
    var databaseURL: String?

    @Option(
        name: .customLong("config"),
        help: ArgumentHelp("A JSON file with settings (DOORNAIL_CONFIG).", valueName: "file"))
    var config: String?

    @Option(
        name: .customLong("secret-file"),
        help: ArgumentHelp(
            "A file with the server's secret; several, separated by commas, while rotating "
                + "(DOORNAIL_SECRET_FILE, or the secret itself in DOORNAIL_SECRET).",
            valueName: "file"))
    var secretFile: String?

    @Option(
        name: .customLong("log-level"),
        help: ArgumentHelp(
            "trace, debug, info, notice, warning or error (DOORNAIL_LOG_LEVEL).",
            valueName: "level"))
    var logLevel: String?

    @Option(
        name: .customLong("log-format"),
        help: ArgumentHelp("json or text (DOORNAIL_LOG_FORMAT).", valueName: "format"))
    var logFormat: String?

    var flags: [Setting: String] {
        var flags: [Setting: String] = [:]
        flags[.databaseURL] = databaseURL
        flags[.secretFile] = secretFile
        flags[.logLevel] = logLevel
        flags[.logFormat] = logFormat
        return flags
    }
}

/// How to serve.
struct ServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The issuer's URL, as clients see it (DOORNAIL_ISSUER).", valueName: "url"))
    var issuer: String?

    @Option(
        help: ArgumentHelp(
            "Where to listen, 127.0.0.1:4444 by default (DOORNAIL_LISTEN).",
            valueName: "host:port"))
    var listen: String?

    @Option(
        name: .customLong("admin-listen"),
        help: ArgumentHelp(
            "Where to listen for metrics and health, 127.0.0.1:4445 by default "
                + "(DOORNAIL_ADMIN_LISTEN).",
            valueName: "host:port"))
    var adminListen: String?

    @Option(
        name: .customLong("tls-certificate"),
        help: ArgumentHelp(
            "A PEM file with the certificate and its chain (DOORNAIL_TLS_CERTIFICATE); read again "
                + "on SIGHUP.",
            valueName: "file"))
    var tlsCertificate: String?

    @Option(
        name: .customLong("tls-key"),
        help: ArgumentHelp("A PEM file with its key (DOORNAIL_TLS_KEY).", valueName: "file"))
    var tlsKey: String?

    @Option(
        name: .customLong("trusted-proxies"),
        help: ArgumentHelp(
            "Addresses or networks that are believed about X-Forwarded-For and Forwarded, "
                + "separated by commas (DOORNAIL_TRUSTED_PROXIES).",
            valueName: "list"))
    var trustedProxies: String?

    @Option(
        name: .customLong("access-token-ttl"),
        help: ArgumentHelp(
            "How long an access token lives, 5m by default (DOORNAIL_ACCESS_TOKEN_TTL).",
            valueName: "time"))
    var accessTokenTTL: String?

    @Option(
        name: .customLong("refresh-token-idle"),
        help: ArgumentHelp(
            "How long a refresh token may lie unused, 30d by default "
                + "(DOORNAIL_REFRESH_TOKEN_IDLE).",
            valueName: "time"))
    var refreshTokenIdle: String?

    @Option(
        name: .customLong("refresh-token-max"),
        help: ArgumentHelp(
            "How long it can be refreshed in all, 90d by default "
                + "(DOORNAIL_REFRESH_TOKEN_MAX).",
            valueName: "time"))
    var refreshTokenMax: String?

    @Option(
        name: .customLong("session-idle"),
        help: ArgumentHelp(
            "How long a login may lie unused, 14d by default "
                + "(DOORNAIL_SESSION_IDLE).",
            valueName: "time"))
    var sessionIdle: String?

    @Option(
        name: .customLong("session-max"),
        help: ArgumentHelp(
            "How long a login lasts in all, 90d by default "
                + "(DOORNAIL_SESSION_MAX).",
            valueName: "time"))
    var sessionMax: String?

    @Option(
        help: ArgumentHelp(
            "Connections to the database, 8 by default (DOORNAIL_POOL).", valueName: "number"))
    var pool: String?

    @Option(
        name: .customLong("brand-name"),
        help: ArgumentHelp(
            "What pages call themselves, Doornail by default (DOORNAIL_BRAND_NAME).",
            valueName: "name"))
    var brandName: String?

    @Option(
        name: .customLong("brand-logo"),
        help: ArgumentHelp(
            "An SVG, PNG, JPEG or WebP for the head of pages, at most 64 KiB "
                + "(DOORNAIL_BRAND_LOGO).",
            valueName: "file"))
    var brandLogo: String?

    @Option(
        name: .customLong("brand-color"),
        help: ArgumentHelp(
            "The colour of buttons and links (DOORNAIL_BRAND_COLOR).", valueName: "#rrggbb"))
    var brandColor: String?

    @Option(
        help: ArgumentHelp(
            "How long this node may answer without hearing the database, 250ms by default; a dead "
                + "node holds up each revocation for so long (DOORNAIL_LEASE).",
            valueName: "time"))
    var lease: String?

    @Option(
        help: ArgumentHelp(
            "How much this node may remember, 512MB by default; 0 reads every answer from the "
                + "database (DOORNAIL_CACHE).",
            valueName: "size"))
    var cache: String?

    var flags: [Setting: String] {
        var flags: [Setting: String] = [:]
        flags[.issuer] = issuer
        flags[.listen] = listen
        flags[.adminListen] = adminListen
        flags[.tlsCertificate] = tlsCertificate
        flags[.tlsKey] = tlsKey
        flags[.trustedProxies] = trustedProxies
        flags[.accessTokenTTL] = accessTokenTTL
        flags[.refreshTokenIdle] = refreshTokenIdle
        flags[.refreshTokenMax] = refreshTokenMax
        flags[.sessionIdle] = sessionIdle
        flags[.sessionMax] = sessionMax
        flags[.pool] = pool
        flags[.brandName] = brandName
        flags[.brandLogo] = brandLogo
        flags[.brandColor] = brandColor
        flags[.lease] = lease
        flags[.cache] = cache
        return flags
    }
}

/// How a command prints.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON document.")
    var json = false
}
