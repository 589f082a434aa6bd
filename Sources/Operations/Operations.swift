import Foundation
package import Cluster
package import OAuth
package import Storage

/// What an operator does, by verbs: the command line uses them, and an API for operators may.
///
/// A verb that changes something returns once the change holds at every node (`Revoker`). What came of it
/// is a document, or a problem that has a type; the sentences about both are the caller's.
package struct Operations: Sendable {
    let store: Store
    let revoker: Revoker
    let actor: Actor

    /// - Parameter actor: who is noted as the one who did it.
    package init(store: Store, revoker: Revoker, actor: Actor) {
        self.store = store
        self.revoker = revoker
        self.actor = actor
    }

    func cause(_ reason: String) -> Cause {
        Cause(reason: reason, by: actor)
    }

    /// Runs what the store or the revoker does, and passes its errors on as problems.
    func asking<Result>(
        _ work: () async throws(StoreError) -> Result
    ) async throws(Problem) -> Result {
        do {
            return try await work()
        } catch {
            throw .store(error)
        }
    }

    func end(_ ending: TrustChange, because reason: String) async throws(Problem) -> Receipt {
        try await asking { () async throws(StoreError) in
            try await revoker.end(ending, because: cause(reason))
        }
    }

    /// Ends something; the document says that it did.
    func end(
        _ ending: TrustChange, kind: String, subject: String, because reason: String
    ) async throws(Problem) -> Ended {
        Ended(kind: kind, subject: subject, receipt: try await end(ending, because: reason))
    }

    /// An id for a new row.
    package static func newIdentifier() -> Identifier {
        var random = SystemRandomNumberGenerator()
        return Identifier(
            milliseconds: UInt64(Date.now.timeIntervalSince1970 * 1000), using: &random)
    }

    /// A client secret that nobody has seen.
    static func newSecret() -> Redacted<String> {
        var random = SystemRandomNumberGenerator()
        return ClientSecret.random(using: &random)
    }
}

/// That something was ended.
package struct Ended: Encodable, Sendable {
    package let ended: String
    package let subject: String
    /// Nil where there was nothing left to end.
    package let ended_at: String?

    init(kind: String, subject: String, receipt: Receipt?) {
        ended = kind
        self.subject = subject
        ended_at = receipt?.endedAt.text
    }
}
