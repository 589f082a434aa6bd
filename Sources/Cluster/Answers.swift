package import Lease
package import OAuth
import Storage

/// What a node answers about clients and tokens: from memory where it is sure, else from the database.
///
/// The lease is looked at first, once the request is there, and what is remembered after it: whatever
/// was acknowledged before the request came is then applied (docs/promise.md).
extension Node {
    /// Reads a client by its id.
    package func client(
        _ clientID: String, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> ClientRead {
        let held = try await gate.lease(by: deadline)
        if let read = cache.client(clientID) { return read.at(held.time(at: .now)) }
        let tick = cache.now
        let read = try await upstream.client(clientID, by: deadline)
        cache.remember(read, called: clientID, since: tick)
        return read
    }

    /// What is answered about a live token to those who may know.
    package struct LiveAnswer: Sendable {
        package let known: RememberedAnswer
        package let isRefreshToken: Bool
    }

    /// What `/introspect` says about what was presented as a token; nil where it is forged or dead.
    package func answer(
        about text: String, issuer: String, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> LiveAnswer? {
        let now = ContinuousClock.now
        if let held = gate.held(at: now),
            let known = remembered(Array(text.utf8), at: held.time(at: now))
        {
            return LiveAnswer(known: known, isRefreshToken: false)
        }
        guard let token = try open(text) else { return nil }
        let held = try await gate.lease(by: deadline)
        if case .access(let access) = token {
            let now = held.time(at: .now)
            if now >= access.expiresAt { return nil }
            if let known = cache.known(access.id), now < known.certainUntil {
                return LiveAnswer(known: known, isRefreshToken: false)
            }
        }
        let tick = cache.now
        let question = DatabaseUpstream.Question(token, text: text, issuer: issuer)
        guard let (known, scopes) = try await upstream.answer(question, by: deadline) else {
            return nil
        }
        // The use of a refresh token ends it, and writes nothing into the log: none is remembered.
        if case .access(let access) = token {
            cache.remember(known, about: access.id, hangingOn: scopes, since: tick)
        }
        return LiveAnswer(known: known, isRefreshToken: token.isRefreshToken)
    }

    /// What is remembered of a live access token, for whoever has looked at the lease already; nil
    /// where it is not certain. The tag is not computed again: the text is one whose tag was right.
    private func remembered(_ text: [UInt8], at time: UnixTime) -> RememberedAnswer? {
        guard let id = TokenCodec.claimedID(ofAccessToken: text),
            let known = cache.known(id, countsMiss: false),
            constantTimeEqual(text[...], known.text), time < known.certainUntil
        else { return nil }
        return known
    }
}
