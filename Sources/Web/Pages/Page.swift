/// A page for a person: one typed struct, whose members are what its template may name.
///
/// A stored member is ``HTML``, a flag, ``Words``, or an array of structs of these, so that nothing
/// unescaped can reach the page. A test holds every page to that.
package protocol Page: Sendable {
    static var template: PageTemplate { get }
    var language: Language { get }
    var title: HTML { get }
    /// Where the page's form may lead besides this server.
    var formTargets: FormTargets { get }
    /// Whether a script sends the page's form as soon as the page is shown.
    static var sendsItself: Bool { get }
}

extension Page {
    package var formTargets: FormTargets { .none }
    package static var sendsItself: Bool { false }
}

/// The templates that this binary carries.
package enum PageTemplate: String, Sendable, CaseIterable {
    case layout, login, consent, signedIn, logout, loggedOut, notLoggedIn, error, formPost
    case account

    package var text: String {
        String(decoding: bytes, as: UTF8.self)
    }

    private var bytes: [UInt8] {
        switch self {
        case .layout: PackageResources.layout_mustache
        case .login: PackageResources.login_mustache
        case .consent: PackageResources.consent_mustache
        case .signedIn: PackageResources.signedIn_mustache
        case .logout: PackageResources.logout_mustache
        case .loggedOut: PackageResources.loggedOut_mustache
        case .notLoggedIn: PackageResources.notLoggedIn_mustache
        case .error: PackageResources.error_mustache
        case .formPost: PackageResources.formPost_mustache
        case .account: PackageResources.account_mustache
        }
    }
}

/// A name and a value that a form sends without showing them.
///
/// A control or a bidirectional mark in a value is replaced as anywhere else, so values are to be
/// printable, as all of OAuth's are (RFC 6749 Appendix A).
package struct Field: Sendable {
    let name: HTML
    let value: HTML

    package init(_ name: String, _ value: String) {
        self.name = HTML(hidden: name)
        self.value = HTML(hidden: value)
    }
}

/// What stands around every page.
package struct Layout: Sendable {
    let language: HTML
    let title: HTML
    let brand: HTML
    let logo: HTML?
    let hasLogo: Bool
    let styleNonce: HTML
    let style: HTML
    let body: HTML
    let script: Script?

    package struct Script: Sendable {
        let nonce: HTML
        let text: HTML

        package init(nonce: String, text: HTML) {
            self.nonce = HTML(nonce)
            self.text = text
        }
    }

    package init(
        language: Language, title: HTML, brand: Brand, styleNonce: String, style: HTML, body: HTML,
        script: Script?
    ) {
        self.language = HTML(language.rawValue)
        self.title = title
        self.brand = HTML(brand.name)
        logo = brand.logo.map { HTML($0.url) }
        hasLogo = logo != nil
        self.styleNonce = HTML(styleNonce)
        self.style = style
        self.body = body
        self.script = script
    }
}
