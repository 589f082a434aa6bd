import Cluster
import Foundation
package import OAuth
import Storage

/// One of the server's own secrets as operators see it.
package struct SecretDocument: Encodable, Sendable {
    package let key_id: Int
    package let fingerprint: String
    package let added_at: String
    package let retired_at: String?
    package let retired_by: String?

    init(_ record: SecretRecord) {
        key_id = Int(record.known.keyID)
        fingerprint = record.known.fingerprint.prefix(8)
            .map { String(format: "%02x", $0) }.joined()
        added_at = record.addedAt.text
        retired_at = record.retiredAt?.text
        retired_by = record.retiredBy
    }
}

/// The server's own secrets.
extension Operations {
    package func secrets() async throws(Problem) -> [SecretDocument] {
        try await asking { () async throws(StoreError) in
            try await store.secrets().map(SecretDocument.init)
        }
    }

    func knownSecrets() async throws(Problem) -> [SecretRules.StoredSecret] {
        try await asking { () async throws(StoreError) in try await store.secrets().map(\.known) }
    }

    /// That these secrets are those of this database, if it knows any.
    package func requireFitting(_ secrets: () throws -> [ServerSecret]) async throws {
        let known = try await knownSecrets()
        guard !known.isEmpty else { return }
        do {
            _ = try SecretRules.unknown(secrets: try secrets(), known: known)
        } catch let refusal as SecretRules.Refusal {
            throw Problem.secrets(refusal)
        }
    }

    /// Ends a secret, and every token signed under it.
    package func retireSecret(_ keyID: UInt8) async throws(Problem) -> Ended {
        try await end(
            .secret(keyID), kind: "secret", subject: String(keyID), because: "retired")
    }

    /// Ends every login and token there is, after the database was restored from a backup.
    /// - Returns: also how many nodes run, or ran a moment ago.
    package func endEverything() async throws(Problem) -> (ended: Ended, nodes: Int) {
        let nodes = try await asking { () async throws(StoreError) in
            try await store.nodeList().nodes.count
        }
        let ended = try await end(
            .everything, kind: "every", subject: "login and token",
            because: "restored from a backup")
        return (ended, nodes)
    }
}
