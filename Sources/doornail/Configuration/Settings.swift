import Configuration
import Foundation
import Logging
import OAuth
import Postgres
import Serving
import Web

/// The configuration, declared once: flags before the environment before a JSON file.
///
/// An empty value counts as none. Every variable is checked, also those that this version does not
/// use yet, so that a typing error shows at once.
struct Settings: Sendable {
    /// What is wrong with the configuration, in words that say what to do.
    struct Invalid: Error, CustomStringConvertible {
        let description: String
        /// It came by a flag: wrong usage, exit 2.
        var isUsage = false
    }

    private let reader: ConfigReader
    private let flagged: Set<Setting>

    init(
        flags: [Setting: String], file: String?,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws {
        for (setting, value) in flags where value.isEmpty {
            throw Invalid(description: "\(setting.flag) is empty", isUsage: true)
        }
        flagged = Set(flags.keys)
        var providers: [any ConfigProvider] = [
            InMemoryProvider(
                name: "flags",
                values: Dictionary(
                    uniqueKeysWithValues: flags.map { setting, value in
                        (
                            AbsoluteConfigKey([setting.key]),
                            ConfigValue(.string(value), isSecret: false)
                        )
                    })),
            EnvironmentVariablesProvider(
                environmentVariables: environment.filter { !$0.value.isEmpty }),
        ]
        if let path = file ?? environment["DOORNAIL_CONFIG"], !path.isEmpty {
            providers.append(try Self.fileProvider(path))
        }
        reader = ConfigReader(providers: providers)
    }

    /// The JSON file: an object whose keys are all known, and whose values are texts or numbers.
    private static func fileProvider(_ path: String) throws -> any ConfigProvider {
        func wrong(_ why: String) -> Invalid {
            Invalid(description: "the configuration file \(path) \(why)")
        }
        try SecretFile(path: path, name: "the configuration file").requireUnshared()
        guard let data = FileManager.default.contents(atPath: path) else {
            throw wrong("cannot be read")
        }
        guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw wrong("is not a JSON object")
        }
        let settings = Dictionary(uniqueKeysWithValues: Setting.allCases.map { ($0.fileKey, $0) })
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        for (key, value) in object.sorted(by: { $0.key < $1.key }) {
            guard let setting = settings[key] else {
                throw wrong(
                    "has the unknown key '\(key)'; known are "
                        + settings.keys.sorted().joined(separator: ", "))
            }
            guard let text = value as? String ?? (value as? Int).map(String.init) else {
                throw wrong("has neither a text nor a whole number at '\(key)'")
            }
            values[AbsoluteConfigKey([setting.key])] = ConfigValue(.string(text), isSecret: false)
        }
        return InMemoryProvider(name: path, values: values)
    }

    /// The value of a setting, nil where it is not set or empty.
    subscript(setting: Setting) -> String? {
        guard let value = reader.string(forKey: ConfigKey([setting.key])), !value.isEmpty else {
            return nil
        }
        return value
    }

    func invalid(_ setting: Setting, _ why: String) -> Invalid {
        Invalid(
            description: "\(setting.rawValue) (\(setting.flag)) \(why)",
            isUsage: flagged.contains(setting))
    }

    /// The database's URL.
    func databaseURL() throws -> String {
        guard let url = self[.databaseURL] else {
            throw Invalid(
                description: "DATABASE_URL is not set; give a PostgreSQL URI like "
                    + "postgresql://doornail@db.example.com/doornail, "
                    + "or try everything with 'doornail dev'")
        }
        guard ConnectionSettings.canRead(url) else {
            throw Invalid(
                description: "DATABASE_URL (--database-url) is no PostgreSQL URI; write one like "
                    + "postgresql://user@host/database",
                isUsage: flagged.contains(.databaseURL))
        }
        return url
    }

    func issuer() throws -> Issuer {
        guard let text = self[.issuer] else {
            throw Invalid(
                description: "DOORNAIL_ISSUER is not set; it is the URL that clients know this "
                    + "server by, like https://login.example.com")
        }
        do {
            return try Issuer(text)
        } catch {
            throw Invalid(
                description: "\(error); give a URL like https://login.example.com "
                    + "(DOORNAIL_ISSUER or --issuer)",
                isUsage: flagged.contains(.issuer))
        }
    }

    /// The server's secrets, the signing one first.
    func secrets() throws -> [ServerSecret] {
        if let text = self[.secret] { return try secrets(in: text) }
        guard let path = self[.secretFile] else {
            throw Invalid(
                description: "DOORNAIL_SECRET is not set; 'doornail secret' prints one, "
                    + "to be kept in a file that DOORNAIL_SECRET_FILE names")
        }
        try secretFile(path).requireUnshared()
        let text: String
        do {
            text = try String(contentsOf: URL(filePath: path), encoding: .utf8)
        } catch {
            throw Invalid(
                description: "the secret file \(path) cannot be read: "
                    + "\((error as NSError).localizedDescription)")
        }
        return try secrets(
            in: text.replacingOccurrences(of: "\n", with: ",")
                .replacingOccurrences(of: "\r", with: ""))
    }

    private func secrets(in text: String) throws(Invalid) -> [ServerSecret] {
        do {
            return try ServerSecret.list(text)
        } catch {
            throw Invalid(description: error.sentence)
        }
    }

    private func secretFile(_ path: String) -> SecretFile {
        SecretFile(path: path, name: "the secret file")
    }

    private func keyFile(_ path: String) -> SecretFile {
        SecretFile(path: path, name: "the TLS key")
    }

    /// What works, and should be another way.
    var warnings: [String] {
        let files = [
            self[.secret] == nil ? self[.secretFile].map(secretFile) : nil,
            self[.tlsKey].map(keyFile),
        ]
        return files.compactMap { $0?.warning }
    }

    func listen() throws -> ListenAddress {
        try address(.listen, default: "127.0.0.1:4444")
    }

    func adminListen() throws -> ListenAddress {
        try address(.adminListen, default: "127.0.0.1:4445")
    }

    private func address(_ setting: Setting, default fallback: String) throws -> ListenAddress {
        do {
            return try ListenAddress(self[setting] ?? fallback)
        } catch {
            throw invalid(setting, "\(error)")
        }
    }

    /// The certificate and key to serve, read from their files; nil for plain HTTP.
    func certificates(logger: Logger) throws -> CertificateReload? {
        switch (self[.tlsCertificate], self[.tlsKey]) {
        case (nil, nil): return nil
        case (let certificate?, let key?):
            try keyFile(key).requireUnshared()
            do {
                return try CertificateReload(
                    TLSFiles(certificate: certificate, key: key), logger: logger)
            } catch {
                throw invalid(.tlsCertificate, "and \(Setting.tlsKey.rawValue): \(error)")
            }
        case (_?, nil):
            throw invalid(.tlsKey, "is missing: a certificate is given, and no key")
        case (nil, _?):
            throw invalid(.tlsCertificate, "is missing: a key is given, and no certificate")
        }
    }

    func trustedProxies() throws -> TrustedProxies {
        do {
            return try TrustedProxies(self[.trustedProxies] ?? "")
        } catch {
            throw invalid(.trustedProxies, "\(error)")
        }
    }

    /// A lifetime in whole seconds.
    func seconds(_ setting: Setting, default fallback: Int64) throws -> Int64 {
        guard let text = self[setting] else { return fallback }
        guard let duration = Quantities.duration(text), duration >= .seconds(1),
            duration <= .seconds(3650 * 86_400), duration.components.attoseconds == 0
        else { throw invalid(setting, "is no time from 1s to 3650d, like 30s, 5m, 12h or 30d") }
        return duration.components.seconds
    }

    /// How long an access token lives: short, for it is what a logout would have to wait out
    /// wherever somebody does not ask.
    func accessTokenSeconds() throws -> Int64 {
        let seconds = try seconds(.accessTokenTTL, default: 300)
        guard seconds <= 86_400 else { throw invalid(.accessTokenTTL, "is longer than a day") }
        return seconds
    }

    /// How long a grant may go without a refresh.
    func refreshTokenIdleSeconds() throws -> Int64 {
        try seconds(.refreshTokenIdle, default: 30 * 86_400)
    }

    /// How long a grant can be refreshed, however often it is.
    func refreshTokenMaximumSeconds() throws -> Int64 {
        try seconds(.refreshTokenMax, default: 90 * 86_400)
    }

    /// How long a login may go without a use.
    func sessionIdleSeconds() throws -> Int64 {
        try seconds(.sessionIdle, default: 14 * 86_400)
    }

    /// How long a login lasts, however much it is used.
    func sessionMaximumSeconds() throws -> Int64 {
        try seconds(.sessionMax, default: 90 * 86_400)
    }

    func lease() throws -> Duration {
        guard let text = self[.lease] else { return .milliseconds(250) }
        guard let duration = Quantities.duration(text),
            duration >= .milliseconds(50), duration <= .seconds(3)
        else { throw invalid(.lease, "is no time from 50ms to 3s, like 250ms") }
        return duration
    }

    func cacheBytes() throws -> Int64 {
        guard let text = self[.cache] else { return 512 << 20 }
        guard let bytes = Quantities.bytes(text) else {
            throw invalid(.cache, "is no size like 512MB, or 0")
        }
        return bytes
    }

    func pool() throws -> Int {
        guard let text = self[.pool] else { return 8 }
        guard let size = Int(text), (1...1000).contains(size) else {
            throw invalid(.pool, "is no number from 1 to 1000")
        }
        return size
    }

    func logLevel() throws -> Logger.Level {
        guard let text = self[.logLevel] else { return .info }
        guard let level = Logger.Level(rawValue: text.lowercased()) else {
            throw invalid(.logLevel, "is none of trace, debug, info, notice, warning, error")
        }
        return level
    }

    func logFormat(default fallback: LogOutput.Format) throws -> LogOutput.Format {
        guard let text = self[.logFormat] else { return fallback }
        guard let format = LogOutput.Format(rawValue: text.lowercased()) else {
            throw invalid(.logFormat, "is neither json nor text")
        }
        return format
    }

    /// Everything that can be wrong without a look at the database.
    func problems(serving: Bool) -> [Invalid] {
        let checks: [() throws -> Void] = [
            { _ = try databaseURL() }, { _ = try secrets() },
            { if serving || self[.issuer] != nil { _ = try issuer() } },
            { _ = try listen() }, { _ = try adminListen() },
            {
                _ = try certificates(
                    logger: Logger(label: "check") { _ in SwiftLogNoOpLogHandler() })
            },
            { _ = try trustedProxies() }, { _ = try accessTokenSeconds() },
            { _ = try refreshTokenIdleSeconds() }, { _ = try refreshTokenMaximumSeconds() },
            { _ = try sessionIdleSeconds() }, { _ = try sessionMaximumSeconds() },
            { _ = try lease() }, { _ = try cacheBytes() }, { _ = try pool() },
            { _ = try brandName() }, { _ = try logo() }, { _ = try accent() },
            { _ = try logLevel() }, { _ = try logFormat(default: .text) },
        ]
        return checks.compactMap { check in
            do {
                try check()
                return nil
            } catch {
                return error as? Invalid ?? Invalid(description: "\(error)")
            }
        }
    }

    /// Throws everything that is wrong with it, at once.
    func requireServable() throws {
        let problems = problems(serving: true)
        guard problems.isEmpty else {
            throw Invalid(
                description: problems.map(\.description).joined(separator: "\ndoornail: "),
                isUsage: problems.contains(where: \.isUsage))
        }
    }
}
