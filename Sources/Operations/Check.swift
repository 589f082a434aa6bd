import Cluster
import Lease
package import OAuth
package import Storage

/// What an examination of the database found.
package enum Finding: Sendable {
    package enum Level: String, Encodable, Sendable {
        case ok, warning, problem
    }

    // The database.
    case oldPostgres(version: Int32)
    case standby
    /// A setting by which a commit can be lost, in PostgreSQL's words.
    case lossyCommits(String)
    case encoding(String)
    case triggersNotAlwaysOn(Int64)
    case temporaryTablesForAll
    case superuser
    case mayCreateTables
    case database(Examination)

    // What the promise rests on beside the database's own settings (docs/operating.md).
    case noSynchronousStandby
    case synchronousStandbys(String)
    /// Nodes that are gone or do not reach the database, and how long a revocation waits for them.
    case silentNodes(Int64, waitMilliseconds: Double)
    /// The nodes' pools may need more connections than PostgreSQL gives.
    case fewConnections(given: Int32, nodes: Int64, pool: Int, needed: Int64)

    // The server's secrets.
    case newSecrets(Int)
    case allSecrets(Int)
    /// One that tokens are no longer signed under, and how many grants may hold a refresh token of it.
    case oldSecret(UInt8, grants: Int64)
    case secrets(SecretRules.Refusal)

    package var level: Level {
        switch self {
        case .oldPostgres, .standby, .lossyCommits, .encoding, .triggersNotAlwaysOn, .secrets:
            .problem
        case .temporaryTablesForAll, .superuser, .mayCreateTables, .silentNodes, .fewConnections:
            .warning
        case .database, .noSynchronousStandby, .synchronousStandbys, .newSecrets, .allSecrets,
            .oldSecret:
            .ok
        }
    }
}

extension Operations {
    /// Examines the database.
    /// - Parameters:
    ///   - secrets: those of this configuration; nil where they cannot be read.
    ///   - pool: how many connections each node may have; nil where that cannot be read.
    package func check(
        secrets: [ServerSecret]?, pool: Int?
    ) async throws(Problem) -> [Finding] {
        try await asking { () async throws(StoreError) in
            let examination = try await store.examine()
            let known = try await store.secrets().map(\.known)
            let grants = try await store.grantsBySecret()
            return Finding.ofDatabase(examination) + Finding.ofLeases(examination, pool: pool)
                + Finding.ofSecrets(secrets, known: known, grants: grants)
        }
    }
}

extension Finding {
    static func ofDatabase(_ e: Examination) -> [Finding] {
        var findings: [Finding] = []
        if e.serverVersion < 150_000 { findings.append(.oldPostgres(version: e.serverVersion)) }
        if e.primary.isRecovering { findings.append(.standby) }
        if !e.primary.weakness.isEmpty { findings.append(.lossyCommits(e.primary.weakness)) }
        if e.encoding != "UTF8" { findings.append(.encoding(e.encoding)) }
        if e.offTriggers > 0 { findings.append(.triggersNotAlwaysOn(e.offTriggers)) }
        if e.mayAnybodyMakeTables { findings.append(.temporaryTablesForAll) }
        if e.isSuperuser {
            findings.append(.superuser)
        } else if e.mayCreateTables {
            findings.append(.mayCreateTables)
        }
        if !findings.contains(where: { $0.level == .problem }) { findings.append(.database(e)) }
        return findings
    }

    static func ofLeases(_ e: Examination, pool: Int?) -> [Finding] {
        var findings: [Finding] = [
            e.synchronousStandbys.isEmpty
                ? .noSynchronousStandby : .synchronousStandbys(e.synchronousStandbys)
        ]
        if let lease = e.silentLeaseMilliseconds {
            let wait = Lease.outlasting(.milliseconds(Int64(lease))) / .milliseconds(1)
            findings.append(.silentNodes(e.silentNodes, waitMilliseconds: wait))
        }
        if let pool {
            let nodes = max(e.nodes - e.silentNodes, 1)
            let needed = nodes * Int64(pool + 1)
            if needed > Int64(e.maximumConnections) {
                findings.append(
                    .fewConnections(
                        given: e.maximumConnections, nodes: nodes, pool: pool, needed: needed))
            }
        }
        return findings
    }

    /// - Parameter secrets: nil where they cannot be read, of which there is nothing to say here.
    static func ofSecrets(
        _ secrets: [ServerSecret]?, known: [SecretRules.StoredSecret], grants: [UInt8: Int64]
    ) -> [Finding] {
        guard let secrets else { return [] }
        do {
            let new = try SecretRules.unknown(secrets: secrets, known: known)
            if !new.isEmpty { return [.newSecrets(new.count)] }
        } catch {
            return [.secrets(error)]
        }
        let used = known.filter { !$0.isRetired }
        let first = secrets.first?.fingerprint
        let old = used.filter { $0.fingerprint != first }.map(\.keyID).sorted()
        return [.allSecrets(used.count)] + old.map { .oldSecret($0, grants: grants[$0] ?? 0) }
    }
}
