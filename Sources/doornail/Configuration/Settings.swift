import Configuration
import Foundation
import Logging
import OAuth
import Serving
import Web

/// The values of the settings: flags before the environment before a JSON file.
///
/// An empty value counts as none. `check` and `serve` examine every setting, also those that this run does
/// not use, so that a typing error shows immediately.
struct Settings: SettingValues {
    private let reader: ConfigReader
    /// The names of the settings that flags gave.
    private let flagged: Set<String>

    init(
        flags: Flags, file: String?,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws {
        for setting in Self.all where flags[setting.name]?.isEmpty == true {
            throw InvalidSetting(description: "\(setting.flag) is empty", isUsage: true)
        }
        flagged = Set(flags.keys)
        var providers: [any ConfigProvider] = [
            InMemoryProvider(
                name: "flags",
                values: Self.configValues(flags.map { ($0.key.lowercased(), $0.value) })),
            EnvironmentVariablesProvider(
                environmentVariables: environment.filter { !$0.value.isEmpty }),
        ]
        if let path = file ?? environment["DOORNAIL_CONFIG"], !path.isEmpty {
            providers.append(try Self.fileProvider(path))
        }
        reader = ConfigReader(providers: providers)
    }

    private static func configValues(
        _ values: [(key: String, text: String)]
    ) -> [AbsoluteConfigKey: ConfigValue] {
        Dictionary(
            uniqueKeysWithValues: values.map {
                (AbsoluteConfigKey([$0.key]), ConfigValue(.string($0.text), isSecret: false))
            })
    }

    /// The JSON file: an object whose keys are all known, and whose values are texts or numbers.
    private static func fileProvider(_ path: String) throws -> any ConfigProvider {
        func wrong(_ why: String) -> InvalidSetting {
            InvalidSetting(description: "the configuration file \(path) \(why)")
        }
        try SecretFile(path: path, name: "the configuration file").requireUnshared()
        guard let data = FileManager.default.contents(atPath: path) else {
            throw wrong("cannot be read")
        }
        guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw wrong("is not a JSON object")
        }
        let settings = Dictionary(uniqueKeysWithValues: all.map { ($0.fileKey, $0) })
        var values: [(String, String)] = []
        for (key, value) in object.sorted(by: { $0.key < $1.key }) {
            guard let setting = settings[key] else {
                throw wrong(
                    "has the unknown key '\(key)'; known are "
                        + settings.keys.sorted().joined(separator: ", "))
            }
            guard let text = value as? String ?? (value as? Int).map(String.init) else {
                throw wrong("has neither a text nor a whole number at '\(key)'")
            }
            values.append((setting.key, text))
        }
        return InMemoryProvider(name: path, values: configValues(values))
    }

    /// The text of a setting, nil where it is not set or empty.
    func text(_ setting: any AnySetting) -> String? {
        guard let value = reader.string(forKey: ConfigKey([setting.key])), !value.isEmpty else {
            return nil
        }
        return value
    }

    /// The value of a setting, or its default.
    func value<Value>(_ setting: Setting<Value>) throws -> Value {
        guard let text = text(setting) else { return try setting.absent() }
        do {
            return try setting.read(text)
        } catch let invalid as InvalidSetting {
            throw InvalidSetting(
                description: invalid.description, isUsage: flagged.contains(setting.name))
        } catch {
            throw invalid(setting, "\(error)")
        }
    }

    private func invalid(_ setting: any AnySetting, _ why: String) -> InvalidSetting {
        InvalidSetting(
            description: "\(setting.name) (\(setting.flag)) \(why)",
            isUsage: flagged.contains(setting.name))
    }

    // MARK: What has to be there

    func databaseURL() throws -> String {
        guard let url = try value(.databaseURL) else {
            throw InvalidSetting(
                description: "DATABASE_URL is not set; give a PostgreSQL URI like "
                    + "postgresql://doornail@db.example.com/doornail, "
                    + "or try everything with 'doornail dev'")
        }
        return url
    }

    func issuer() throws -> Issuer {
        guard let issuer = try value(.issuer) else {
            throw InvalidSetting(
                description: "DOORNAIL_ISSUER is not set; it is the URL that clients know this "
                    + "server by, like https://login.example.com")
        }
        return issuer
    }

    /// The server's secrets, the signing one first.
    func secrets() throws -> [ServerSecret] {
        if let text = try value(.secret) { return try secrets(in: text) }
        guard let path = try value(.secretFile) else {
            throw InvalidSetting(
                description: "DOORNAIL_SECRET is not set; 'doornail secret' prints one, "
                    + "to be kept in a file that DOORNAIL_SECRET_FILE names")
        }
        try secretFile(path).requireUnshared()
        let text: String
        do {
            text = try String(contentsOf: URL(filePath: path), encoding: .utf8)
        } catch {
            throw InvalidSetting(
                description: "the secret file \(path) cannot be read: "
                    + "\((error as NSError).localizedDescription)")
        }
        return try secrets(
            in: text.replacingOccurrences(of: "\n", with: ",")
                .replacingOccurrences(of: "\r", with: ""))
    }

    private func secrets(in text: String) throws(InvalidSetting) -> [ServerSecret] {
        do {
            return try ServerSecret.list(text)
        } catch {
            throw InvalidSetting(description: error.sentence)
        }
    }

    // MARK: What belongs together

    /// The certificate and key to serve, read from their files; nil for plain HTTP.
    func certificates(logger: Logger) throws -> CertificateReload? {
        switch (try value(.tlsCertificate), try value(.tlsKey)) {
        case (nil, nil): return nil
        case (let certificate?, let key?):
            try keyFile(key).requireUnshared()
            do {
                return try CertificateReload(
                    TLSFiles(certificate: certificate, key: key), logger: logger)
            } catch {
                throw invalid(Setting.tlsCertificate, "and \(Setting.tlsKey.name): \(error)")
            }
        case (_?, nil):
            throw invalid(Setting.tlsKey, "is missing: a certificate is given, and no key")
        case (nil, _?):
            throw invalid(Setting.tlsCertificate, "is missing: a key is given, and no certificate")
        }
    }

    /// Whose pages they are.
    func brand() throws -> Brand {
        try Brand(
            name: value(.brandName), logo: value(.brandLogo), accent: value(.brandColor))
    }

    // MARK: What is wrong

    private func secretFile(_ path: String) -> SecretFile {
        SecretFile(path: path, name: "the secret file")
    }

    private func keyFile(_ path: String) -> SecretFile {
        SecretFile(path: path, name: "the TLS key")
    }

    /// What works, but should be changed.
    var warnings: [String] {
        let files = [
            text(Setting.secret) == nil ? text(Setting.secretFile).map(secretFile) : nil,
            text(Setting.tlsKey).map(keyFile),
        ]
        return files.compactMap { $0?.warning }
    }

    /// Everything that can be wrong without a look at the database.
    var problems: [InvalidSetting] {
        Self.all.compactMap { setting in
            do {
                try setting.examine(in: self)
                return nil
            } catch {
                return error as? InvalidSetting ?? InvalidSetting(description: "\(error)")
            }
        }
    }

    /// Throws everything that is wrong, in one error.
    func requireServable() throws {
        let problems = problems
        guard problems.isEmpty else {
            throw InvalidSetting(
                description: problems.map(\.description).joined(separator: "\ndoornail: "),
                isUsage: problems.contains(where: \.isUsage))
        }
    }
}
