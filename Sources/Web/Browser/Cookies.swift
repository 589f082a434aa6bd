import HTTPTypes
import Hummingbird
import OAuth
import Serving

/// A cookie of ours in a person's browser.
enum BrowserCookie: String, Sendable {
    /// The login.
    case session
    /// That somebody once logged in to an account here.
    case device
    /// What ties a page's form to this browser.
    case form

    private static let lifetimes: [BrowserCookie: Int64] = [
        .device: 365 * 86_400
    ]

    /// With `__Host-`, browsers take the cookie by https alone, for all paths, and from no other host.
    /// Over http, which is for loopback alone, they would refuse such a cookie.
    func name(isSecure: Bool) -> String {
        (isSecure ? "__Host-" : "") + "doornail-" + rawValue
    }

    /// A `Set-Cookie` (RFC 6265 §4.1).
    /// - Parameter maxAgeSeconds: how long the browser keeps it; nil: as long as it runs.
    func set(
        _ value: Redacted<String>, isSecure: Bool, maxAgeSeconds: Int64? = nil
    ) -> HTTPField {
        var text = "\(name(isSecure: isSecure))=\(value.value); Path=/; HttpOnly; SameSite=Lax"
        if isSecure { text += "; Secure" }
        if let seconds = maxAgeSeconds ?? Self.lifetimes[self] { text += "; Max-Age=\(seconds)" }
        return HTTPField(name: .setCookie, value: text)
    }
}

/// The cookies that a request brought (RFC 6265 §5.4).
struct Cookies: Sendable {
    private var values: [String: String] = [:]

    init(_ request: Request) {
        for header in request.headers[values: .cookie] {
            for pair in header.utf8.split(separator: UInt8(ascii: ";")) {
                let parts = trimmed(pair).split(
                    separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2 else { continue }
                let name = String(Substring(parts[0]))
                // The first is the one with the longest path, which ours all share.
                if values[name] == nil { values[name] = String(Substring(parts[1])) }
            }
        }
    }

    subscript(name: String) -> String? { values[name] }
}
