/// One server's time as the primary: from its promotion until another one is promoted.
package struct Reign: Sendable, Hashable {
    package let systemIdentifier: Int64
    /// The timeline, which goes up by one at each promotion.
    package let timeline: Int32

    package init(systemIdentifier: Int64, timeline: Int32) {
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
    }
}
