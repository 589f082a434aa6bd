import ArgumentParser
import Logging
import OAuth
import Serving

/// A setting, declared once: its name, its flag, its default, how its text is read, and what the help
/// says of it. `Settings` has their values.
struct Setting<Value: Sendable>: AnySetting {
    let name: String
    /// The default as one would write it.
    let fallback: String?
    let valueName: String?
    let help: String
    /// Reads a text. A `InvalidSetting` that it throws is a whole sentence; the description of any other
    /// error goes after the setting's name.
    let read: @Sendable (String) throws -> Value
    /// The value where nothing is set.
    let absent: @Sendable () throws -> Value
    private let examination: (@Sendable (any SettingValues) throws -> Void)?

    /// One that has a default.
    /// - Parameters:
    ///   - valueName: what the help calls a value.
    ///   - help: `{name}` and `{default}` stand for what is declared beside it.
    init(
        _ name: String, default fallback: String, value valueName: String, help: String,
        read: @escaping @Sendable (String) throws -> Value
    ) {
        self.init(name, fallback, valueName, help, read, { try read(fallback) }, nil)
    }

    /// One without a default: its value is nil where it is not set.
    /// - Parameter examination: how `check` examines it, where it does more than read the text.
    init<Read>(
        _ name: String, value valueName: String? = nil, help: String = "",
        examination: (@Sendable (any SettingValues) throws -> Void)? = nil,
        read: @escaping @Sendable (String) throws -> Read
    ) where Value == Read? {
        self.init(name, nil, valueName, help, read, { nil }, examination)
    }

    private init(
        _ name: String, _ fallback: String?, _ valueName: String?, _ help: String,
        _ read: @escaping @Sendable (String) throws -> Value,
        _ absent: @escaping @Sendable () throws -> Value,
        _ examination: (@Sendable (any SettingValues) throws -> Void)?
    ) {
        self.name = name
        self.fallback = fallback
        self.valueName = valueName
        self.help = help.replacing("{name}", with: name)
            .replacing("{default}", with: fallback ?? "")
        self.read = read
        self.absent = absent
        self.examination = examination
    }

    func examine(in settings: any SettingValues) throws {
        if let examination {
            try examination(settings)
        } else {
            _ = try settings.value(self)
        }
    }
}

/// Where settings have their values, and what a server cannot do without, made of them (`Settings`).
protocol SettingValues: Sendable {
    func value<Value>(_ setting: Setting<Value>) throws -> Value
    func databaseURL() throws -> String
    func secrets() throws -> [ServerSecret]
    func issuer() throws -> Issuer
    func certificates(logger: Logger) throws -> CertificateReload?
}

/// A setting whatever its type.
protocol AnySetting: Sendable {
    /// The environment variable's.
    var name: String { get }
    /// Throws what is wrong with it in a configuration.
    func examine(in settings: any SettingValues) throws
}

extension AnySetting {
    /// Its name in the JSON file: the variable's in lower case, without the project's.
    var fileKey: String {
        let name = name.lowercased()
        return name.hasPrefix("doornail_") ? String(name.dropFirst("doornail_".count)) : name
    }

    var flagName: String { String(fileKey.map { $0 == "_" ? "-" : $0 }) }

    var flag: String { "--" + flagName }

    /// Its key in each of swift-configuration's providers.
    var key: String { name.lowercased() }
}

/// Why a text is no value of a setting: what comes after the setting's name.
struct Unreadable: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// A setting that was given by its flag.
struct Given: Sendable {
    let name: String
    let text: String
}

/// What was given by flags, by the settings' names.
typealias Flags = [String: String]

extension Option where Value == Given? {
    /// The flag of a setting.
    init<Read>(_ setting: Setting<Read>) {
        self.init(
            name: .customLong(setting.flagName),
            help: ArgumentHelp(
                setting.help, valueName: setting.valueName),
            transform: { Given(name: setting.name, text: $0) })
    }
}

extension ParsableArguments {
    /// The settings among these flags.
    var flags: Flags {
        let given = Mirror(reflecting: self).children.compactMap {
            ($0.value as? Option<Given?>)?.wrappedValue
        }
        return Flags(given.map { ($0.name, $0.text) }, uniquingKeysWith: { _, last in last })
    }
}
