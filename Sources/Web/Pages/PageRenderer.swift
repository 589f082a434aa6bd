internal import Mustache
internal import OAuth

/// A page as it goes out, but for its status.
package struct RenderedPage: Sendable {
    package let html: String
    package let headers: [(String, String)]
}

/// Turns pages into HTML and the headers that confine it.
package struct PageRenderer: Sendable {
    private let templates: [PageTemplate: MustacheTemplate]
    private let brand: Brand
    private let style: HTML

    /// Reads every template, so that a malformed one stops the start and not a request.
    package init(brand: Brand = .doornail) throws {
        var templates: [PageTemplate: MustacheTemplate] = [:]
        for template in PageTemplate.allCases {
            templates[template] = try MustacheTemplate(string: template.text)
        }
        self.templates = templates
        self.brand = brand
        style = HTML(
            ours: String(decoding: PackageResources.style_css, as: UTF8.self) + brand.style)
    }

    package func render(_ page: some Page) -> RenderedPage {
        let body = text(of: page, in: type(of: page).template)
        let styleNonce = Self.nonce()
        let scriptNonce = type(of: page).sendsItself ? Self.nonce() : nil
        let layout = Layout(
            language: page.language, title: page.title, brand: brand, styleNonce: styleNonce,
            style: style, body: HTML(ours: body),
            script: scriptNonce.map { Layout.Script(nonce: $0, text: Self.script) })
        let policy = ContentSecurityPolicy.text(
            styleNonce: styleNonce, scriptNonce: scriptNonce, hasLogo: brand.logo != nil,
            formTargets: page.formTargets)
        return RenderedPage(
            html: text(of: layout, in: .layout),
            headers: Self.headers + [
                ("Content-Language", page.language.rawValue), ("Content-Security-Policy", policy),
            ])
    }

    /// Sends the page's only form. A field named `submit` would hide the form's own method.
    private static let script = HTML(
        ours: "HTMLFormElement.prototype.submit.call(document.forms[0])")

    private static let headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Pragma", "no-cache"),
        ("Vary", "Accept-Language"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ]

    private func text(of value: some Sendable, in template: PageTemplate) -> String {
        guard let parsed = templates[template] else {
            preconditionFailure("init has parsed every template")
        }
        return parsed.render(value)
    }

    /// 128 random bits.
    private static func nonce() -> String {
        Base64.encodeURL((0..<16).map { _ in UInt8.random(in: .min ... .max) })
    }
}
