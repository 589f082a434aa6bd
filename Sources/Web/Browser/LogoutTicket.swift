import Cluster
import OAuth
import Storage

/// What `/logout` is told, once a login of this browser has ended and its cookie is taken back: which
/// login it was. The page looks whether it has ended, and only then says "logged out".
extension Browser {
    /// `/logout` with the ticket of a login.
    func pathAfterLogout(of session: Identifier) throws(StoreError) -> String {
        var writer = PayloadWriter()
        writer.append(session)
        let ticket = try services.node.seal(writer.bytes + digest(nonce), for: .logoutTicket)
        return path(.logout, languageParameter + [("ended", ticket.value)])
    }

    /// The login that a ticket names; nil for another browser's.
    func session(in ticket: String) throws(StoreError) -> Identifier? {
        guard let payload = try services.node.unseal(ticket, for: .logoutTicket),
            constantTimeEqual(payload.dropFirst(16), digest(nonce))
        else { return nil }
        var reader = PayloadReader(payload[...])
        return reader.identifier()
    }
}
