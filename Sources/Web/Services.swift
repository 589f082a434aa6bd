package import Cluster
package import OAuth
package import Storage

/// What endpoints work with: made once, in the composition root.
package struct Services: Sendable {
    package let store: Store
    package let node: Node
    package let revoker: Revoker
    package let issuer: Issuer
    package let proxies: TrustedProxies
    package let accessTokenSeconds: Int64

    package init(
        store: Store, node: Node, revoker: Revoker, issuer: Issuer, proxies: TrustedProxies,
        accessTokenSeconds: Int64
    ) {
        self.store = store
        self.node = node
        self.revoker = revoker
        self.issuer = issuer
        self.proxies = proxies
        self.accessTokenSeconds = accessTokenSeconds
    }
}
