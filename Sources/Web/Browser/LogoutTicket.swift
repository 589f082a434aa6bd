import Cluster
import OAuth
import Storage

extension Browser {
    /// `/logout` for a browser whose login has ended and whose cookie is taken back: the page looks
    /// whether that is so, and says "logged out".
    func loggedOut(
        _ session: Identifier, _ services: Services
    ) throws(StoreError) -> String {
        var writer = PayloadWriter()
        writer.append(session)
        let ticket = try services.node.seal(writer.bytes + digest(nonce), for: .logoutTicket)
        return path(.logout, languageParameter + [("ended", ticket.value)])
    }
}
