import Dispatch
package import Logging
package import OAuth
package import Storage
import Synchronization

/// The signing keys as this node holds them: it makes new ones when they are due, and copies them
/// under new secrets.
package final class SigningKeyring: Sendable {
    private struct Snapshot: Sendable {
        let set: SigningKeySet
        /// What it was made from: as long as this is the same, so is the set.
        let basis: [String]
    }

    private let store: Store
    private let secrets: [ServerSecret]
    private let logger: Logger
    private let snapshot = Mutex<Snapshot?>(nil)

    package init(store: Store, secrets: [ServerSecret], logger: Logger) {
        self.store = store
        self.secrets = secrets
        self.logger = logger
    }

    /// The keys at present; unavailable until the node has read them.
    package func current() throws(StoreError) -> SigningKeySet {
        guard let snapshot = snapshot.withLock({ $0 }) else {
            throw .unavailable("this node has no signing keys yet")
        }
        return snapshot.set
    }

    /// Reads the keys again; makes those that are due.
    package func refresh() async throws(StoreError) {
        let held = try await SigningKeyring.held(secrets, in: store)
        // Nothing can be kept under secrets that are all retired.
        guard !held.isEmpty else { return }
        var (records, now) = try await readable()
        var keys = records.compactMap { SigningKeyring.open($0, with: held) }
        var isChanged = false
        // A key that cannot be opened signs nothing, so it is no reason to make none.
        let openable = SigningKeyring.known(records, among: keys)
        for algorithm in SigningAlgorithm.allCases
        where SigningKeyRules.isDue(algorithm, among: openable, at: now) {
            isChanged = true
            guard
                let kid = try await SigningKeyring.add(
                    algorithm, under: held, insisting: false, in: store)
            else { continue }
            logger.notice(
                "a new signing key",
                metadata: ["algorithm": "\(algorithm.rawValue)", "kid": "\(kid)"])
        }
        if isChanged {
            (records, now) = try await readable()
            keys = records.compactMap { SigningKeyring.open($0, with: held) }
        }
        try await copy(keys, of: records, under: held)
        try await remember(keys, records, at: now)
    }

    /// All keys but those whose public part cannot be read: such a row keeps no node from starting.
    private func readable() async throws(StoreError) -> ([SigningKeyRecord], at: UnixTime) {
        let (records, now) = try await store.signingKeys()
        var readable: [SigningKeyRecord] = []
        for record in records {
            if await SigningKeySet.canRead(record.publicJWK) {
                readable.append(record)
            } else {
                logger.warning(
                    "a signing key's public part cannot be read",
                    metadata: ["kid": "\(record.known.kid)"])
            }
        }
        return (readable, now)
    }

    /// The secrets of this process that have not been retired, by key id.
    package static func held(
        _ secrets: [ServerSecret], in store: Store
    ) async throws(StoreError) -> [UInt8: ServerSecret] {
        var held: [UInt8: ServerSecret] = [:]
        for known in try await store.secrets().map(\.known) where !known.isRetired {
            held[known.keyID] = secrets.first { $0.fingerprint == known.fingerprint }
        }
        return held
    }

    /// Makes a key and keeps it; its kid, nil where another node was quicker.
    package static func add(
        _ algorithm: SigningAlgorithm, under held: [UInt8: ServerSecret], insisting: Bool,
        in store: Store
    ) async throws(StoreError) -> String? {
        let result = await withCheckedContinuation { continuation in
            // Finding primes takes a core for a while, and must stop nobody else.
            DispatchQueue.global().async {
                continuation.resume(
                    returning: Result {
                        var random = SystemRandomNumberGenerator()
                        let key = try SigningKey.generate(
                            algorithm, kid: Identifier(milliseconds: 0, using: &random))
                        return (key, try held.mapValues { try key.sealed(under: $0) })
                    })
            }
        }
        do {
            let (key, copies) = try result.get()
            return try await store.addSigningKey(key, copies: copies, insisting: insisting)
                ? key.kid : nil
        } catch let error as StoreError {
            throw error
        } catch {
            throw .broken("a signing key could not be made: \(error)")
        }
    }

    private static func open(
        _ record: SigningKeyRecord, with held: [UInt8: ServerSecret]
    ) -> SigningKey? {
        guard !record.known.isWithdrawn else { return nil }
        for (keyID, sealed) in record.copies {
            guard let secret = held[keyID] else { continue }
            if let key = SigningKey(
                kid: record.known.kid, algorithm: record.known.algorithm,
                publicJWK: record.publicJWK, sealed: sealed, under: secret)
            {
                return key
            }
        }
        return nil
    }

    /// What is known of those keys that could be opened.
    private static func known(
        _ records: [SigningKeyRecord], among keys: [SigningKey]
    ) -> [SigningKeyRules.StoredKey] {
        let openable = Set(keys.map(\.kid))
        return records.map(\.known).filter { openable.contains($0.kid) }
    }

    /// Seals what is there under secrets that have no copy yet.
    private func copy(
        _ keys: [SigningKey], of records: [SigningKeyRecord], under held: [UInt8: ServerSecret]
    ) async throws(StoreError) {
        var copies: [(kid: String, keyID: UInt8, sealed: [UInt8])] = []
        for key in keys {
            let present = records.first { $0.known.kid == key.kid }?.copies ?? [:]
            for (keyID, secret) in held where present[keyID] == nil {
                do {
                    copies.append((key.kid, keyID, try key.sealed(under: secret)))
                } catch {
                    throw .broken("a signing key could not be sealed: \(error)")
                }
            }
        }
        if !copies.isEmpty { try await store.copySigningKeys(copies) }
    }

    private func remember(
        _ keys: [SigningKey], _ records: [SigningKeyRecord], at now: UnixTime
    ) async throws(StoreError) {
        let openable = SigningKeyring.known(records, among: keys)
        // Withdrawn keys prove nothing, not even to a logout.
        let records = records.filter { !$0.known.isWithdrawn }
        let known = records.map(\.known)
        let signers = SigningAlgorithm.allCases.compactMap { algorithm in
            SigningKeyRules.signer(algorithm, among: openable, at: now)?.kid
        }
        // What this node signs with, and others may: neither is missing for a key that only some can
        // open.
        var published = SigningKeyRules.published(among: openable, at: now).map(\.kid)
        for key in SigningKeyRules.published(among: known, at: now)
        where !published.contains(key.kid) {
            published.append(key.kid)
        }
        let basis = signers + ["|"] + published + ["|"] + known.map(\.kid)
        guard snapshot.withLock({ $0?.basis }) != basis else { return }
        // Texts that the database tells apart by their bytes may be equal here.
        let jwks = Dictionary(
            records.map { ($0.known.kid, $0.publicJWK) }, uniquingKeysWith: { first, _ in first })
        do {
            let set = try await SigningKeySet(
                signers: keys.filter { signers.contains($0.kid) },
                published: published.compactMap { jwks[$0] }, known: records.map(\.publicJWK))
            snapshot.withLock { $0 = Snapshot(set: set, basis: basis) }
        } catch {
            throw .broken("the signing keys cannot be read: \(error)")
        }
    }
}
