package import OAuth

/// A time during which this node did not hear the database, by the database's own clock, whatever that
/// shows.
package struct Outage: Sendable, Hashable {
    package let began: UnixTime
    package let ended: UnixTime

    package init(began: UnixTime, ended: UnixTime) {
        self.began = began
        self.ended = ended
    }
}
