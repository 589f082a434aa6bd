package import OAuth

/// Where a lease and answers come from. For a node this is the database.
///
/// `LogFollower` asks for the lease, one question after another; clients and answers are asked for by
/// many at a time, beside it.
package protocol Upstream: Sendable {
    /// What is asked about a token.
    associatedtype Question: Sendable

    /// Makes ready to be asked for a lease.
    func connect(by deadline: ContinuousClock.Instant) async throws(StoreError)

    /// Gives up what `connect` made. A lease that was granted goes on, and ends by itself.
    func disconnect() async

    /// Begins a new stay, and ends the one before it. From its answer on, whoever ends something waits
    /// until this stay has applied it, or can hold no older lease.
    func join(by deadline: ContinuousClock.Instant) async throws(StoreError) -> Joining

    /// Says up to which number the log is applied, and asks for what is newer and for a lease.
    func poll(
        _ joining: Joining, applied: Int64, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> Poll

    /// Returns when there may be something new in the log, or at the deadline.
    func waitForNews(by deadline: ContinuousClock.Instant) async throws(StoreError)

    /// Reads a client by its id.
    func client(
        _ clientID: String, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> ClientRead

    /// What is to be said about a token, and what that hangs on; nil where the token is dead.
    func answer(
        _ question: Question, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> (RememberedAnswer, hangingOn: AnswerScopes)?
}

/// What was learned by joining.
package struct Joining: Sendable {
    /// Names the stay: it was never used before, so that it tells one stay from the next.
    package let incarnation: Identifier
    package let reign: Reign
    /// Names the log; `doornail restored` makes a new one.
    package let logID: Identifier
    package let endOfLog: Int64
    /// The longest lease that anybody may hold.
    package let longestLease: Duration

    package init(
        incarnation: Identifier, reign: Reign, logID: Identifier, endOfLog: Int64,
        longestLease: Duration = .zero
    ) {
        self.incarnation = incarnation
        self.reign = reign
        self.logID = logID
        self.endOfLog = endOfLog
        self.longestLease = longestLease
    }
}

/// What a poll brought.
package struct Poll: Sendable {
    package let reign: Reign
    /// The database's time, in microseconds since 1970.
    package let time: Int64
    /// Whether the stay goes on, in the reign and the log that it began in.
    package let isRenewed: Bool
    package let endOfLog: Int64
    /// What is newer than what was said to be applied, in order; perhaps not all of it.
    package let entries: [LogEntry]

    package init(
        reign: Reign, time: Int64, isRenewed: Bool, endOfLog: Int64, entries: [LogEntry]
    ) {
        self.reign = reign
        self.time = time
        self.isRenewed = isRenewed
        self.endOfLog = endOfLog
        self.entries = entries
    }
}
