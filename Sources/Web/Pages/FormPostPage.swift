/// Brings an authorization response to the app as a form (OAuth 2.0 Form Post Response Mode).
///
/// It alone has a script, which presses the button; without one a person does.
package struct FormPostPage: Page {
    package static let template = PageTemplate.formPost
    package static let sendsItself = true

    package var title: HTML { words.title }
    package let language: Language
    let words: Words.FormPost
    package let formTargets: FormTargets
    let action: HTML
    let fields: [Field]

    /// - Parameter action: the validated redirect URI
    package init(_ words: Words, action: String, fields: [Field]) {
        language = words.language
        self.words = words.formPost
        self.action = HTML(action)
        self.fields = fields
        formTargets = FormTargets([action])
    }
}
