import HTTPTypes
import OAuth
import Serving
import Storage

/// Who is logged in in a browser, as its cookie and the database say it.
struct BrowserLogin: Sendable {
    let verdict: SessionUser.Verdict
    /// The person's display name.
    let name: String?
    /// What the person allowed the client that was asked about.
    let consent: Scope?
    let readAt: UnixTime

    var user: SessionUser? {
        if case .alive(let user) = verdict { user } else { nil }
    }
}

extension Browser {
    /// What the session's cookie says; nil without one.
    var sessionCookie: SessionCookie? { value(of: .session).flatMap(SessionCookie.init) }

    /// Reads the login of this browser. A use of one that is alive is written down now and then.
    func login(consentTo client: Identifier? = nil) async throws(StoreError) -> BrowserLogin {
        guard let cookie = sessionCookie else {
            return BrowserLogin(
                verdict: .unknown, name: nil, consent: nil,
                readAt: try await services.store.ping())
        }
        let read = try await services.store.session(
            cookie.session, consentTo: client, by: context.deadline)
        let verdict = SessionUser.verify(
            cookie, session: read.session, secrets: read.secrets, user: read.user,
            at: read.readAt)
        let idleSeconds = services.lifetimes.session.idleSeconds
        if case .alive(let login) = verdict {
            context.log.sid = login.session.id.description
            // The newest cookie has arrived: the one before it has had its time.
            let isNewest = login.isNewest && read.secrets?.previous != nil
            if isNewest || login.session.isUseDue(at: read.readAt, idleSeconds: idleSeconds) {
                try await services.store.useSession(
                    login.session.id, from: origin, idleSeconds: idleSeconds,
                    with: isNewest ? cookie : nil, by: context.deadline)
            }
        }
        return BrowserLogin(
            verdict: verdict, name: read.name, consent: read.consent, readAt: read.readAt)
    }

    /// The header that logs the browser in.
    func setting(_ cookie: SessionCookie) -> HTTPField {
        setting(
            .session, to: cookie.text, maxAgeSeconds: services.lifetimes.session.maximumSeconds)
    }

    /// The headers that take the session's cookie back, and with it the pages that the browser keeps
    /// for its back button whatever `no-store` says (Clear Site Data §3.1).
    var loggingOut: [HTTPField] {
        var fields = [setting(.session, to: Redacted(""), maxAgeSeconds: 0)]
        if let name = HTTPField.Name("Clear-Site-Data") {
            fields.append(HTTPField(name: name, value: #""cache""#))
        }
        return fields
    }
}
