package import Cluster
package import Logging
package import OAuth
package import Serving
package import Storage

/// What endpoints work with: made once, in the composition root.
package final class Services: Sendable {
    package let store: Store
    package let node: Node
    package let revoker: Revoker
    package let issuer: Issuer
    package let proxies: TrustedProxies
    package let lifetimes: Lifetimes
    package let passwords: PasswordWork
    package let pages: PageRenderer
    let logger: Logger

    package init(
        store: Store, node: Node, revoker: Revoker, issuer: Issuer, proxies: TrustedProxies,
        lifetimes: Lifetimes, passwords: PasswordWork, pages: PageRenderer,
        logger: Logger
    ) {
        self.store = store
        self.node = node
        self.revoker = revoker
        self.issuer = issuer
        self.proxies = proxies
        self.lifetimes = lifetimes
        self.passwords = passwords
        self.pages = pages
        self.logger = logger
    }
}

/// How long things live.
package struct Lifetimes: Sendable {
    package let accessTokenSeconds: Int64
    /// How long a grant can go without a refresh.
    package let refreshTokenIdleSeconds: Int64
    /// How long a grant lives, however often it is refreshed.
    package let refreshTokenMaximumSeconds: Int64
    package let session: SessionLifetime

    package init(
        accessTokenSeconds: Int64, refreshTokenIdleSeconds: Int64,
        refreshTokenMaximumSeconds: Int64, session: SessionLifetime
    ) {
        self.accessTokenSeconds = accessTokenSeconds
        self.refreshTokenIdleSeconds = refreshTokenIdleSeconds
        self.refreshTokenMaximumSeconds = refreshTokenMaximumSeconds
        self.session = session
    }
}
