import Cluster
package import OAuth
import Storage

/// A key that ID tokens are signed with, as operators see it.
package struct KeyDocument: Encodable, Sendable {
    package let kid: String
    package let algorithm: String
    package let created_at: String
    /// `next`, `signing`, `published` (until its last tokens are over), `over` or `withdrawn`.
    package let state: String
    package let withdrawn_at: String?
    package let withdrawn_by: String?
    /// The secrets that its private part is kept under.
    package let key_ids: [Int]

    static func documents(
        _ records: [SigningKeyRecord], at now: UnixTime
    ) -> [KeyDocument] {
        // One without a copy can be opened by nobody, and signs nothing.
        let known = records.filter { !$0.copies.isEmpty }.map(\.known)
        let signing = SigningAlgorithm.allCases.compactMap {
            SigningKeyRules.signer($0, among: known, at: now)
        }
        let published = SigningKeyRules.published(among: known, at: now).map(\.kid)
        return records.map { record in
            let key = record.known
            let signer = signing.first { $0.algorithm == key.algorithm }
            let state =
                if key.isWithdrawn {
                    "withdrawn"
                } else if key.kid == signer?.kid {
                    "signing"
                } else if !published.contains(key.kid) {
                    "over"
                } else {
                    signer.map { $0.createdAt < key.createdAt } == true ? "next" : "published"
                }
            return KeyDocument(
                kid: key.kid, algorithm: key.algorithm.rawValue, created_at: key.createdAt.text,
                state: state, withdrawn_at: record.withdrawnAt?.text,
                withdrawn_by: record.withdrawnBy, key_ids: record.copies.keys.sorted().map(Int.init)
            )
        }
    }
}

/// The keys that ID tokens are signed with.
extension Operations {
    /// All of them, the oldest first.
    package func signingKeys() async throws(Problem) -> [KeyDocument] {
        try await asking { () async throws(StoreError) in
            let (records, now) = try await store.signingKeys()
            return KeyDocument.documents(records, at: now)
        }
    }

    /// Makes a new key for each algorithm.
    /// - Parameters:
    ///   - secrets: those of the server, under which a key is kept.
    ///   - isWithdrawing: the old keys are withdrawn, and the new ones sign within seconds.
    package func rotateSigningKeys(
        _ algorithms: [SigningAlgorithm], secrets: [ServerSecret], withdrawing isWithdrawing: Bool
    ) async throws(Problem) -> [KeyDocument] {
        let held = try await asking { () async throws(StoreError) in
            try await SigningKeyring.held(secrets, in: store)
        }
        guard !held.isEmpty else { throw .noSecretInUse }
        for algorithm in algorithms {
            let kid = try await asking { () async throws(StoreError) in
                try await SigningKeyring.add(algorithm, under: held, insisting: true, in: store)
            }
            guard let kid else { throw .noNewKey(algorithm) }
            guard isWithdrawing else { continue }
            try await asking { () async throws(StoreError) in
                try await store.withdrawSigningKeys(algorithm, except: kid, by: actor.text)
            }
        }
        return try await signingKeys()
    }
}
