import Cluster
import OAuth
import Storage

/// What the account page says after a form of it was sent: what was ended, or why nothing was.
///
/// Between the two, the browser carries it as a word. That something was ended is said only under
/// our tag, made after the end for this browser and login; so no link makes the page say it. What
/// can be looked at again, is.
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
        /// Something else was quicker.
        case overtaken

        var words: String {
            switch self {
            case .gone: "That is not there any more. Nothing was ended."
            case .wrongPassword: "That is not your current password. Nothing was changed."
            case .differentPasswords:
                "The two new passwords are not the same. Nothing was changed."
            case .unfitPassword:
                "A password has at least \(Limits.passwordBytes.lowerBound) characters and at most "
                    + "\(Limits.passwordBytes.upperBound) bytes. Nothing was changed."
            case .overtaken:
                "Your account was changed elsewhere at the same moment, so nothing was done here. "
                    + "Look at it again."
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
    func parameters(
        _ login: SessionUser, _ browser: Browser, _ node: Node
    ) throws(StoreError) -> [(String, String)] {
        if case .failed = self { return [("failed", word)] }
        var writer = PayloadWriter()
        writer.append(subject ?? Self.nothing)
        let payload = writer.bytes + Self.binding(word, login, browser)
        return [
            ("done", word), ("ended", try node.seal(payload, for: .accountTicket).value),
        ]
    }

    /// Reads them; nil for anything else.
    static func read(
        _ form: Form, _ login: SessionUser, _ browser: Browser, _ node: Node
    ) throws(StoreError) -> AccountNotice? {
        if let word = form["failed"] { return Failure(rawValue: word).map(AccountNotice.failed) }
        guard let word = form["done"], let ticket = form["ended"],
            let payload = try node.unseal(ticket, for: .accountTicket),
            constantTimeEqual(payload.dropFirst(16), binding(word, login, browser))
        else { return nil }
        var reader = PayloadReader(payload[...])
        guard let id = reader.identifier() else { return nil }
        return switch word {
        case "session": .session(id)
        case "app": .app(id)
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
