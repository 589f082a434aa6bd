import Cluster
package import OAuth
import Storage

/// What the account page says after a form of it was sent: what was ended, or why nothing was.
///
/// The answer to the form sends the browser to the page, and the notice goes along as a word in the
/// URL. That something was ended is said only with a ticket, which is made after the end, for this
/// browser and login, and counts for a minute. So no link of others makes the page say it, and no old
/// page in the browser's history. What can be read again from the database, is.
enum AccountNotice: Equatable {
    /// A login of the person.
    case session(Identifier)
    /// The access of an app that keeps it.
    case app(Identifier)
    case others
    case password
    case failed(Failure)

    enum Failure: String, CaseIterable {
        /// What was named is not there, or is somebody else's.
        case gone
        case wrongPassword = "wrong"
        case differentPasswords = "different"
        case unfitPassword = "unfit"
        /// Another change came first.
        case overtaken

        func text(in words: Words.Notice) -> HTML {
            switch self {
            case .gone: words.gone
            case .wrongPassword: words.wrongPassword
            case .differentPasswords: words.differentPasswords
            case .unfitPassword:
                words.unfitPassword(
                    Limits.passwordBytes.lowerBound, Limits.passwordBytes.upperBound)
            case .overtaken: words.overtaken
            }
        }
    }

    private var word: String {
        switch self {
        case .session: "session"
        case .app: "app"
        case .others: "others"
        case .password: "password"
        case .failed(let failure): failure.rawValue
        }
    }

    /// The id of what was ended.
    var subject: Identifier? {
        switch self {
        case .session(let id), .app(let id): id
        case .others, .password, .failed: nil
        }
    }

    private static let nothing = Identifier(high: 0, low: 0)

    /// The parameters with which `/account` says it.
    /// - Parameter endedAt: when it was done, by the database's time; nil where nothing was
    func parameters(
        _ login: SessionUser, _ browser: Browser, _ node: Node, endedAt: UnixTime?
    ) throws(StoreError) -> [(String, String)] {
        guard let endedAt else { return [("failed", word)] }
        let ticket = AccountTicket(subject: subject ?? Self.nothing, endedAt: endedAt)
        let payload = ticket.payload(for: Self.binding(word, login, browser))
        return [
            ("done", word), ("ended", try node.seal(payload, for: .accountTicket).value),
        ]
    }

    /// Reads them; nil for anything else.
    static func read(
        _ form: Form, _ login: SessionUser, _ browser: Browser, _ node: Node, at now: UnixTime
    ) throws(StoreError) -> AccountNotice? {
        if let word = form["failed"] { return Failure(rawValue: word).map(AccountNotice.failed) }
        guard let word = form["done"], let ticket = form["ended"],
            let payload = try node.unseal(ticket, for: .accountTicket),
            let ticket = AccountTicket(
                payload, for: binding(word, login, browser), at: now)
        else { return nil }
        return switch word {
        case "session": .session(ticket.subject)
        case "app": .app(ticket.subject)
        case "others": .others
        case "password": .password
        default: nil
        }
    }

    private static func binding(
        _ word: String, _ login: SessionUser, _ browser: Browser
    ) -> [UInt8] {
        digest("\(word) \(login.session.id) \(browser.nonce)")
    }
}

/// What was ended and when, bound to whom it is told.
package struct AccountTicket: Sendable, Equatable {
    package let subject: Identifier
    package let endedAt: UnixTime

    package init(subject: Identifier, endedAt: UnixTime) {
        self.subject = subject
        self.endedAt = endedAt
    }

    /// - Parameter binding: a digest of what it is bound to
    package func payload(for binding: [UInt8]) -> [UInt8] {
        var writer = PayloadWriter()
        writer.append(subject)
        writer.append(UInt64(bitPattern: endedAt.seconds))
        return writer.bytes + binding
    }

    /// Reads a payload; nil where it is bound to something else, or its time is over.
    package init?(_ payload: [UInt8], for binding: [UInt8], at now: UnixTime) {
        var reader = PayloadReader(payload[...])
        guard constantTimeEqual(payload.dropFirst(24), binding),
            let subject = reader.identifier(), let seconds = reader.integer()
        else { return nil }
        self.init(subject: subject, endedAt: UnixTime(seconds: Int64(bitPattern: seconds)))
        guard now < endedAt.adding(seconds: Limits.noticeSeconds) else { return nil }
    }
}
