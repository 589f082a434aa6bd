/// A way in which a person proves who they are; its raw value is its name in `amr` (RFC 8176).
package enum Factor: String, Sendable, CaseIterable {
    case password = "pwd"

    /// How sure a login is that rests on it alone: the value of `acr` (ISO/IEC 29115).
    package var level: String {
        switch self {
        case .password: "1"
        }
    }
}

extension [Factor] {
    /// The factors of a stored `amr`.
    package init(amr: [String]) {
        self = amr.compactMap(Factor.init(rawValue:))
    }

    /// How the person proved who they are, as an ID token says it (OpenID Connect Core §2).
    package var amr: [String] { map(\.rawValue) }

    /// How sure that is. 0 is a login that nothing proves.
    package var acr: String { map(\.level).max() ?? "0" }
}
