import Foundation
import Logging
import OAuth
import Postgres
import Serving
import Web

// Every setting. A new one is declared here, named in `Settings.all`, given its flag in ServerOptions.swift
// and its line in docs/operating.md.

extension Settings {
    /// In the order in which problems with them are told.
    static let all: [any AnySetting] = [
        Setting.databaseURL, Setting.secret, Setting.secretFile, Setting.issuer, Setting.listen,
        Setting.adminListen, Setting.tlsCertificate, Setting.tlsKey, Setting.trustedProxies,
        Setting.accessTokenTTL, Setting.refreshTokenIdle, Setting.refreshTokenMax,
        Setting.sessionIdle, Setting.sessionMax, Setting.lease, Setting.cache, Setting.pool,
        Setting.brandName, Setting.brandLogo, Setting.brandColor, Setting.logLevel,
        Setting.logFormat,
    ]
}

// MARK: Where things are

extension Setting<String?> {
    static let databaseURL = Setting(
        "DATABASE_URL", value: "uri",
        help: "PostgreSQL, as a libpq URI or key=value list ({name}). No password here: a "
            + "command line can be read by others; use the variable.",
        examination: { _ = try $0.databaseURL() }
    ) { text in
        guard ConnectionSettings.canRead(text) else {
            throw Unreadable("is no PostgreSQL URI; write one like postgresql://user@host/database")
        }
        return text
    }

    /// It has no flag, since a command line can be read by others.
    static let secret = Setting("DOORNAIL_SECRET", examination: { _ = try $0.secrets() }) { $0 }

    static let secretFile = Setting(
        "DOORNAIL_SECRET_FILE", value: "file",
        help: "A file with the server's secret; several, separated by commas, while rotating "
            + "({name}, or the secret itself in DOORNAIL_SECRET)."
    ) { $0 }

    static let tlsCertificate = Setting(
        "DOORNAIL_TLS_CERTIFICATE", value: "file",
        help: "A PEM file with the certificate and its chain ({name}); read again on SIGHUP.",
        examination: {
            _ = try $0.certificates(
                logger: Logger(label: "check") { _ in SwiftLogNoOpLogHandler() })
        }
    ) { $0 }

    static let tlsKey = Setting(
        "DOORNAIL_TLS_KEY", value: "file", help: "A PEM file with its key ({name})."
    ) { $0 }
}

extension Setting<Issuer?> {
    static let issuer = Setting(
        "DOORNAIL_ISSUER", value: "url", help: "The issuer's URL, as clients see it ({name}).",
        examination: { _ = try $0.issuer() }
    ) { text in
        do {
            return try Issuer(text)
        } catch {
            throw InvalidSetting(
                description: "\(error); give a URL like https://login.example.com "
                    + "(DOORNAIL_ISSUER or --issuer)")
        }
    }
}

extension Setting<ListenAddress> {
    static let listen = Setting(
        "DOORNAIL_LISTEN", default: "127.0.0.1:4444", value: "host:port",
        help: "Where to listen, {default} by default ({name})."
    ) { try ListenAddress($0) }

    static let adminListen = Setting(
        "DOORNAIL_ADMIN_LISTEN", default: "127.0.0.1:4445", value: "host:port",
        help: "Where to listen for metrics and health, {default} by default ({name})."
    ) { try ListenAddress($0) }
}

extension Setting<TrustedProxies> {
    static let trustedProxies = Setting(
        "DOORNAIL_TRUSTED_PROXIES", default: "", value: "list",
        help: "Addresses or networks that are believed about X-Forwarded-For and Forwarded, "
            + "separated by commas ({name})."
    ) { try TrustedProxies($0) }
}

// MARK: How long things last

extension Setting<Int64> {
    /// A lifetime in whole seconds.
    @Sendable private static func seconds(_ text: String) throws -> Int64 {
        guard let duration = Quantities.duration(text), duration >= .seconds(1),
            duration <= .seconds(3650 * 86_400), duration.components.attoseconds == 0
        else { throw Unreadable("is no time from 1s to 3650d, like 30s, 5m, 12h or 30d") }
        return duration.components.seconds
    }

    /// It is short: a resource server that does not introspect accepts a token until it expires, also
    /// after a logout.
    static let accessTokenTTL = Setting(
        "DOORNAIL_ACCESS_TOKEN_TTL", default: "5m", value: "time",
        help: "How long an access token lives, {default} by default ({name})."
    ) { text in
        let lifetime = try seconds(text)
        guard lifetime <= 86_400 else { throw Unreadable("is longer than a day") }
        return lifetime
    }

    static let refreshTokenIdle = Setting(
        "DOORNAIL_REFRESH_TOKEN_IDLE", default: "30d", value: "time",
        help: "How long a refresh token may lie unused, {default} by default ({name}).",
        read: seconds)

    static let refreshTokenMax = Setting(
        "DOORNAIL_REFRESH_TOKEN_MAX", default: "90d", value: "time",
        help: "How long it can be refreshed in all, {default} by default ({name}).",
        read: seconds)

    static let sessionIdle = Setting(
        "DOORNAIL_SESSION_IDLE", default: "14d", value: "time",
        help: "How long a login may lie unused, {default} by default ({name}).", read: seconds)

    static let sessionMax = Setting(
        "DOORNAIL_SESSION_MAX", default: "90d", value: "time",
        help: "How long a login lasts in all, {default} by default ({name}).", read: seconds)
}

extension Setting<Duration> {
    static let lease = Setting(
        "DOORNAIL_LEASE", default: "250ms", value: "time",
        help: "How long this node may answer without hearing the database, {default} by default; "
            + "a dead node holds up each revocation for so long ({name})."
    ) { text in
        guard let duration = Quantities.duration(text),
            duration >= .milliseconds(50), duration <= .seconds(3)
        else { throw Unreadable("is no time from 50ms to 3s, like 250ms") }
        return duration
    }
}

// MARK: How much

extension Setting<Int64> {
    /// In bytes.
    static let cache = Setting(
        "DOORNAIL_CACHE", default: "512MB", value: "size",
        help: "How much this node may remember, {default} by default; 0 reads every answer from "
            + "the database ({name})."
    ) { text in
        guard let bytes = Quantities.bytes(text) else {
            throw Unreadable("is no size like 512MB, or 0")
        }
        return bytes
    }
}

extension Setting<Int> {
    static let pool = Setting(
        "DOORNAIL_POOL", default: "8", value: "number",
        help: "Connections to the database, {default} by default ({name})."
    ) { text in
        guard let size = Int(text), (1...1000).contains(size) else {
            throw Unreadable("is no number from 1 to 1000")
        }
        return size
    }
}

// MARK: Whose pages they are

extension Setting<String?> {
    static let brandName = Setting(
        "DOORNAIL_BRAND_NAME", value: "name",
        help: "What pages call themselves, Doornail by default ({name})."
    ) { text in
        _ = try Brand(name: text)
        return text
    }
}

extension Setting<Logo?> {
    /// Reads the logo's file. The pages show what it held at the start.
    static let brandLogo = Setting(
        "DOORNAIL_BRAND_LOGO", value: "file",
        help: "An SVG, PNG, JPEG or WebP for the head of pages, at most 64 KiB ({name})."
    ) { path in
        let bytes: [UInt8]
        do {
            let file = try FileHandle(forReadingFrom: URL(filePath: path))
            defer { try? file.close() }
            // One byte more than it may have is enough to refuse a file of any size.
            bytes = Array(try file.read(upToCount: Limits.brandLogoBytes + 1) ?? Data())
        } catch {
            throw Unreadable(
                "names the file \(path), which cannot be read: "
                    + "\((error as NSError).localizedDescription) Name a picture that this user "
                    + "may read")
        }
        do {
            return try Logo(bytes)
        } catch {
            throw Unreadable("names the file \(path), which \(error)")
        }
    }
}

extension Setting<Color?> {
    static let brandColor = Setting(
        "DOORNAIL_BRAND_COLOR", value: "#rrggbb",
        help: "The colour of buttons and links ({name})."
    ) { text in
        guard let color = Color(text) else {
            throw Unreadable("is no colour like #1d5a4b; write # and six digits, 0 to f")
        }
        return color
    }
}

// MARK: The log (its defaults depend on the command)

extension Setting<Logger.Level?> {
    static let logLevel = Setting(
        "DOORNAIL_LOG_LEVEL", value: "level",
        help: "trace, debug, info, notice, warning or error ({name})."
    ) { text in
        guard let level = Logger.Level(rawValue: text.lowercased()) else {
            throw Unreadable("is none of trace, debug, info, notice, warning, error")
        }
        return level
    }
}

extension Setting<LogOutput.Format?> {
    static let logFormat = Setting(
        "DOORNAIL_LOG_FORMAT", value: "format", help: "json or text ({name})."
    ) { text in
        guard let format = LogOutput.Format(rawValue: text.lowercased()) else {
            throw Unreadable("is neither json nor text")
        }
        return format
    }
}
