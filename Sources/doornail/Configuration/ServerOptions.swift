import ArgumentParser

/// Where to find the database, for every command that needs it.
struct DatabaseOptions: ParsableArguments {
    @Option(.databaseURL) var databaseURL: Given?

    @Option(
        name: .customLong("config"),
        help: ArgumentHelp("A JSON file with settings (DOORNAIL_CONFIG).", valueName: "file"))
    var config: String?

    @Option(.secretFile) var secretFile: Given?
    @Option(.logLevel) var logLevel: Given?
    @Option(.logFormat) var logFormat: Given?
}

/// How to serve.
struct ServerOptions: ParsableArguments {
    @Option(.issuer) var issuer: Given?
    @Option(.listen) var listen: Given?
    @Option(.adminListen) var adminListen: Given?
    @Option(.tlsCertificate) var tlsCertificate: Given?
    @Option(.tlsKey) var tlsKey: Given?
    @Option(.trustedProxies) var trustedProxies: Given?
    @Option(.accessTokenTTL) var accessTokenTTL: Given?
    @Option(.refreshTokenIdle) var refreshTokenIdle: Given?
    @Option(.refreshTokenMax) var refreshTokenMax: Given?
    @Option(.sessionIdle) var sessionIdle: Given?
    @Option(.sessionMax) var sessionMax: Given?
    @Option(.pool) var pool: Given?
    @Option(.brandName) var brandName: Given?
    @Option(.brandLogo) var brandLogo: Given?
    @Option(.brandColor) var brandColor: Given?
    @Option(.lease) var lease: Given?
    @Option(.cache) var cache: Given?
}

/// How a command prints.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON document.")
    var json = false
}
