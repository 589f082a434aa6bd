/// Every bound on what comes from outside but for HTTP itself (`HTTPLimits`), in one place; each is tested
/// at the limit and one past it.
package enum Limits {
    /// Parameters in one form.
    package static let parameters = 200
    /// A `scope` parameter or a client's scope, in bytes.
    package static let scopeBytes = 4 * 1024
    /// A client id, in bytes of %x21-7E.
    package static let clientIDBytes = 255
    /// An audience or resource URI, in bytes.
    package static let audienceBytes = 1024
    /// Audiences of one client.
    package static let audiences = 32
    /// A redirect URI, in bytes.
    package static let redirectURIBytes = 2048
    /// Redirect URIs of one client.
    package static let redirectURIs = 64
    /// A display name, in bytes.
    package static let nameBytes = 255
    /// A token as text, in bytes: the largest scope and audiences fit with room to spare.
    package static let tokenBytes = 60 * 1024
    /// A server secret (`DOORNAIL_SECRET`), in bytes: 32 random ones make 43 characters.
    package static let secretBytes = 32...1024
    /// How long a request may wait for the database, so that its 503 leaves before 5 s.
    package static let storeDeadline: Duration = .milliseconds(4200)
    /// Requests of one node that wait for a lease; more are 503.
    package static let leaseWaiters = 4096
    /// What a request that waited for a lease has left, at least, to ask the database.
    package static let leaseReserve: Duration = .milliseconds(300)
    /// A user's name, in bytes.
    package static let usernameBytes = 255
    /// A password, in bytes: long enough for any sentence.
    package static let passwordBytes = 8...1024
    /// A browser's words for itself, in bytes; the rest is cut.
    package static let userAgentBytes = 512
    /// The parameters of an authorization request as a query, in bytes.
    package static let authorizationRequestBytes = 8 * 1024
    /// How long a code can be redeemed (RFC 6749 §4.1.2).
    package static let codeSeconds: Int64 = 60
    /// How long after its redemption the replay of a code ends what it was redeemed for.
    package static let codeReplaySeconds: Int64 = 600
    /// Live logins of one person; the least recently used ends. More devices than anybody has, and so few
    /// that the account page shows them all.
    package static let sessionsPerUser = 100
    /// How long a login must not have been used for another one to end it.
    package static let sessionRestSeconds: Int64 = 86_400
    /// Live grants of one client in one session; the oldest ends.
    package static let grantsPerSession = 10
    /// An ID token that comes back as a hint, in bytes.
    package static let idTokenBytes = 8 * 1024
    /// A `nonce`, in bytes: it is kept with the code, and stands in the ID token.
    package static let nonceBytes = 512
    /// Devices that the account page shows beside this one, the last used ones.
    package static let accountDevices = 100
    /// Apps that keep their access, as the account page shows them: the newest ones.
    package static let accountApps = 100
    /// How long the account page says what was ended.
    package static let noticeSeconds: Int64 = 60
    /// `ui_locales`, or `Accept-Language`, in bytes; a longer one is as if it had not been sent.
    package static let languagesBytes = 1024
    /// A brand's name on the pages, in bytes.
    package static let brandNameBytes = 64
    /// A brand's logo, in bytes: every page carries it.
    package static let brandLogoBytes = 64 * 1024
    /// How long a login may take that an application asked for anew.
    package static let pageSeconds: Int64 = 3600
    /// Password checks under way or waiting for a thread; more are 503. Two threads are through with
    /// so many before those who wait have to be answered.
    package static let waitingPasswords = 32
    /// Of these, how many strangers leave to browsers that an account knows, and those to strangers.
    package static let reservedPasswords = 8
    /// How many may be for one account and from one address, or one browser that the account knows.
    package static let passwordsOfOneClaim = 4
    /// How many may be for one account: of strangers wherever they are, and as many of browsers that
    /// it knows.
    package static let passwordsOfOneAccount = 8
    /// How many may be of strangers at one address, whatever the accounts: an office shares one.
    package static let passwordsOfOneAsker = 12
    /// What an attempt has, at the least, to take back what was counted for it.
    package static let takingBack: Duration = .milliseconds(300)
    /// Wrong passwords for one account name, or from one browser that knows it, in one window.
    package static let passwordFailures = 20
    package static let passwordWindowSeconds: Int64 = 900
    /// Wrong passwords from one address, in one window.
    package static let addressFailures = 50
    package static let addressWindowSeconds: Int64 = 300
    /// Wrong client secrets from one address for one client, in one window, before 429.
    package static let clientSecretFailures = 50
    /// The length of that window.
    package static let clientSecretWindowSeconds: Int64 = 300
}
