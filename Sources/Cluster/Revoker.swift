import Lease
package import Logging
import Metrics
package import OAuth
import Postgres
package import Storage

/// Something that is to end, or to change for every node at once.
package enum Ending: Sendable {
    /// One access token, of a client.
    case token(AccessToken, client: Identifier)
    /// What one client may do for one login, with all tokens of it.
    case grant(Identifier)
    /// One login, and all that hangs on it.
    case session(Identifier)
    /// Every login of a user, everywhere.
    case user(UserReference)
    /// A user, who may log in again only when enabled.
    case userDisabled(UserReference)
    /// A user, for good.
    case userDeleted(UserReference)
    case userEnabled(UserReference)
    /// A user's password, for another one; every login ends.
    case password(UserReference, PasswordHash)
    /// Every login of a person but this one, with offline access.
    case others(SessionUser, cookie: SessionCookie? = nil)
    /// A person's own password, for another one; every login but this one ends.
    case ownPassword(SessionUser, PasswordHash, cookie: SessionCookie? = nil)
    /// Everything that was issued to a client.
    case client(String)
    /// A client, which may get nothing until it is enabled again.
    case clientDisabled(String)
    /// A client, for good.
    case clientDeleted(String)
    /// A client's settings.
    case clientChanged(ClientChange)
    case clientEnabled(String)
    /// A client's secret, for a new one; the old one stays valid beside it where that is asked.
    case clientSecret(String, newHash: [UInt8], keepsPrevious: Bool)
    /// The secret that a client had before its present one.
    case previousClientSecret(String)
    /// One of the server's own secrets, and every token under it.
    case secret(UInt8)
    /// Every login and every token there is: the database was restored from a backup.
    case everything

    /// What it is, for metrics and the log: a fixed set.
    package var kind: String {
        switch self {
        case .token: "token"
        case .grant: "grant"
        case .session: "session"
        case .user: "user"
        case .userDisabled: "user_disabled"
        case .userDeleted: "user_deleted"
        case .userEnabled: "user_enabled"
        case .password: "password"
        case .others: "others"
        case .ownPassword: "own_password"
        case .client: "client"
        case .clientDisabled: "client_disabled"
        case .clientDeleted: "client_deleted"
        case .clientChanged: "client_changed"
        case .clientEnabled: "client_enabled"
        case .clientSecret: "client_secret"
        case .previousClientSecret: "previous_client_secret"
        case .secret: "secret"
        case .everything: "everything"
        }
    }

    /// Which one it is, for the log; never a token's text.
    package var subject: String {
        switch self {
        case .token(let token, _): token.id.description
        case .grant(let id), .session(let id): id.description
        case .user(let user), .userDisabled(let user), .userDeleted(let user),
            .userEnabled(let user), .password(let user, _):
            user.text
        case .others(let login, _), .ownPassword(let login, _, _): login.user.id.description
        case .client(let id), .clientDisabled(let id), .clientDeleted(let id),
            .clientEnabled(let id), .clientSecret(let id, _, _),
            .previousClientSecret(let id):
            id
        case .clientChanged(let change): change.clientID
        case .secret(let keyID): String(keyID)
        case .everything: "everything"
        }
    }
}

/// That something has ended, on every node: only with one in hand is a revocation acknowledged.
package struct Receipt: Sendable {
    /// The database's time of the end.
    package let endedAt: UnixTime
    fileprivate init(endedAt: UnixTime) {
        self.endedAt = endedAt
    }
}

/// The one seam that every end goes through: `/revoke`, the command line, and all later ways.
///
/// It returns once the end is committed and holds at every node: each has said that it applied it, or
/// can hold no lease that is older (docs/promise.md). It has no connection of its own while it waits.
package struct Revoker: Sendable {
    let store: Store
    private let logger: Logger
    private let waits = Timer(label: "doornail_revocation_wait_seconds")
    private let repeats = Repeats<Repeated, Receipt>()

    /// A token or grant that is ended again and again, for one cause: one commit at a time is enough,
    /// as long as each answer rests on one that was begun after its request came.
    private struct Repeated: Hashable {
        let kind: String
        let subject: String
        let cause: Cause
    }

    package init(store: Store, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// Ends something; each end writes an audit line, and so does each failure to end.
    /// - Parameter deadline: when the caller gives up; statements of the command line have their own.
    package func end(
        _ ending: Ending, because cause: Cause,
        by deadline: ContinuousClock.Instant = Store.deadline
    ) async throws(StoreError) -> Receipt {
        switch ending {
        case .token, .grant:
            try await repeats.perform(
                Repeated(kind: ending.kind, subject: ending.subject, cause: cause), by: deadline
            ) { (requests, last) async throws(StoreError) in
                try await end(ending, because: cause, by: last, requests: requests)
            }
        default:
            try await end(ending, because: cause, by: deadline, requests: 1)
        }
    }

    /// - Parameter requests: how many requests it answers.
    private func end(
        _ ending: Ending, because cause: Cause, by deadline: ContinuousClock.Instant, requests: Int
    ) async throws(StoreError) -> Receipt {
        do {
            let early = Trap.earlyNodeRows.isPlanted ? try await store.roll(by: deadline) : nil
            let endedAt = try await commit(ending, because: cause, by: deadline)
            // Ending everything takes as long as it takes; what follows has its own time.
            var limit = deadline
            if case .everything = ending { limit = Store.deadline }
            try await untilEverywhere(since: .now, by: limit, early)
            note(ending, cause, outcome: "ended", level: .notice, requests: requests)
            return Receipt(endedAt: endedAt)
        } catch {
            note(
                ending, cause, outcome: "failed", level: .warning, requests: requests, error: error)
            if Trap.swallowedError.isPlanted { return Receipt(endedAt: UnixTime(seconds: 0)) }
            throw error
        }
    }

    /// Waits until what was committed holds at every node.
    ///
    /// The rows are read after the commit, from a server that is no older primary than the one that
    /// committed it (`Store.roll`). The log's end, read with them, stands for the commit's own number.
    private func untilEverywhere(
        since committedAt: ContinuousClock.Instant, by deadline: ContinuousClock.Instant,
        _ early: Roll?
    ) async throws(StoreError) {
        var roll = if let early { early } else { try await store.roll(by: deadline) }
        let number = roll.endOfLog
        let isWhole = RevocationWait.isWhole(roll) && !LeaseTrap.noWaitAfterPromotion.isPlanted
        var pause: Duration = .milliseconds(1)
        while true {
            let elapsed = ContinuousClock.now - committedAt
            let step = RevocationWait.step(
                for: number, elapsed: elapsed, roll: roll, isWhole: isWhole)
            guard case .wait(let longest) = step else {
                waits.recordNanoseconds(elapsed.microseconds * 1000)
                return
            }
            guard ContinuousClock.now < deadline else {
                throw .unavailable(
                    "it is committed, but not every node can have heard of it; ask again")
            }
            do {
                let left = deadline - .now
                try await Task.sleep(for: min(isWhole ? longest : pause, longest - elapsed, left))
            } catch {
                throw .unavailable("it is committed, but nobody waits for the answer any more")
            }
            pause = min(pause * 3 / 2, .milliseconds(20))
            if !isWhole, early == nil { roll = try await store.roll(by: deadline) }
        }
    }

    private func commit(
        _ ending: Ending, because cause: Cause, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> UnixTime {
        if Trap.noOpRevocation.isPlanted, let endedAt = try await alreadyOver(ending, by: deadline)
        {
            return endedAt
        }
        return switch ending {
        case .token(let token, let client):
            try await store.revoke(token, of: client, because: cause, by: deadline)
        case .grant(let id):
            try await store.revokeGrant(id, because: cause, by: deadline)
        case .session(let id):
            try await store.revokeSession(id, because: cause, by: deadline)
        case .user(let user):
            try await store.endUser(user, because: cause, by: deadline)
        case .userDisabled(let user):
            try await store.endUser(user, disabling: true, because: cause)
        case .userDeleted(let user):
            try await store.deleteUser(user, because: cause)
        case .userEnabled(let user):
            try await store.enableUser(user, because: cause)
        case .password(let user, let hash):
            try await store.endUser(user, password: hash, because: cause)
        case .others(let login, let cookie):
            try await store.endOthers(keeping: login, with: cookie, because: cause, by: deadline)
        case .ownPassword(let login, let hash, let cookie):
            try await store.endOthers(
                keeping: login, with: cookie, password: hash, because: cause, by: deadline)
        case .client(let id):
            try await store.endClient(id, disabling: false, because: cause)
        case .clientDisabled(let id):
            try await store.endClient(id, disabling: true, because: cause)
        case .clientDeleted(let id):
            try await store.deleteClient(id, because: cause)
        case .clientChanged(let change):
            try await store.updateClient(change, because: cause)
        case .clientEnabled(let id):
            try await store.enableClient(id, because: cause)
        case .clientSecret(let id, let hash, let keepsPrevious):
            try await store.rotateClientSecret(
                id, to: hash, keepsPrevious: keepsPrevious, because: cause)
        case .previousClientSecret(let id):
            try await store.dropPreviousClientSecret(id, because: cause)
        case .secret(let keyID):
            try await store.retireSecret(keyID, because: cause)
        case .everything:
            try await store.endEverything(because: cause).at
        }
    }

    private func note(
        _ ending: Ending, _ cause: Cause, outcome: String, level: Logger.Level, requests: Int,
        error: StoreError? = nil
    ) {
        Counter(
            label: "doornail_ends_total",
            dimensions: [("kind", ending.kind), ("outcome", outcome)]
        ).increment()
        var metadata: Logger.Metadata = [
            "audit": "end", "kind": "\(ending.kind)", "subject": "\(ending.subject)",
            "outcome": "\(outcome)", "reason": "\(cause.reason)", "actor": "\(cause.actor)",
        ]
        if requests > 1 { metadata["requests"] = "\(requests)" }
        if let error { metadata["error"] = "\(error)" }
        logger.log(level: level, "\(outcome): \(ending.kind)", metadata: metadata)
    }
}
