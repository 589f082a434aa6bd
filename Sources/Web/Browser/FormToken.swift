import Cluster
import OAuth
import Storage

/// What a form carries to prove that it is ours, so that no other site can have a browser send it: made
/// for this browser, as it is logged in now, and for one endpoint.
struct FormToken: Sendable {
    private static let name = "form_token"

    private let binding: [UInt8]
    private let isNew: Bool
    private let node: Node

    fileprivate init(_ browser: Browser, _ route: Route) {
        let login = browser.value(of: .session) ?? ""
        binding = digest("\(route.rawValue) \(browser.nonce) \(login)")
        isNew = browser.isNew
        node = browser.services.node
    }

    /// The hidden field that a page's form sends.
    func field() throws(StoreError) -> Field {
        Field(Self.name, try node.seal(binding, for: .form).value)
    }

    /// Whether a form that was sent has it.
    func isIn(_ form: Form) throws(StoreError) -> Bool {
        guard !isNew, let token = form[Self.name],
            let payload = try node.unseal(token, for: .form)
        else { return false }
        return constantTimeEqual(payload, binding)
    }
}

extension Browser {
    /// The token of the forms that are sent to an endpoint.
    func formToken(for route: Route) -> FormToken { FormToken(self, route) }
}
