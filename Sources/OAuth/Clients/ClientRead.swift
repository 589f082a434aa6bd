/// A client as it was read, or its absence, and the database's time.
package struct ClientRead: Sendable {
    package let client: Client?
    package let readAt: UnixTime
    /// The key ids that are not retired, at the same moment.
    package let unretiredKeyIDs: Set<UInt8>

    package init(client: Client?, readAt: UnixTime, unretiredKeyIDs: Set<UInt8>) {
        self.client = client
        self.readAt = readAt
        self.unretiredKeyIDs = unretiredKeyIDs
    }

    /// The same, at another moment.
    package func at(_ time: UnixTime) -> ClientRead {
        ClientRead(client: client, readAt: time, unretiredKeyIDs: unretiredKeyIDs)
    }
}
