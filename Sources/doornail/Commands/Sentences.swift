import OAuth
import Operations
import Storage

// What the command line says of problems that other targets only name: what is wrong, and what to do.

extension Problem {
    var sentence: String {
        switch self {
        case .store(let error): error.sentence
        case .secrets(let refusal): refusal.sentence
        case .clientID: Self.clientIDRule
        case .registration(let problems): problems.sentence
        case .publicClient(let id): "the client '\(id)' is public and has no secret"
        case .unknownToken:
            "nothing was ended: this is no token of this server, or not all of it"
        case .noSecretInUse:
            "no secret that is in use is given, and keys are kept under them: set "
                + "DOORNAIL_SECRET or DOORNAIL_SECRET_FILE as the nodes have it"
        case .noNewKey(let algorithm):
            "no new key for \(algorithm.rawValue) was made; try again"
        }
    }

    static let clientIDRule =
        "a client id is 1 to \(Limits.clientIDBytes) characters of printable ASCII "
        + "without spaces, and not in UUID form"
}

extension StoreError {
    var sentence: String {
        switch self {
        case .unavailable, .broken: description
        case .missing(let subject): subject.sentence
        case .conflict(let conflict): conflict.sentence
        }
    }
}

extension StoreError.Subject {
    var sentence: String {
        switch self {
        case .client: "\(self); 'doornail client list' shows all"
        case .user: "\(self); 'doornail user list' shows all"
        case .session: "\(self); 'doornail session list' shows all"
        case .login: description
        case .grant: "\(self); 'doornail session show ID' shows a login's"
        case .secret: "\(self); 'doornail secret list' shows all"
        }
    }
}

extension StoreError.Conflict {
    var sentence: String {
        switch self {
        case .clientExists, .userExists, .clientChanged, .noKeyIDLeft, .refused: description
        case .onlySecretOfNode:
            "\(self): start every node with a new one first ('doornail secret' prints one)"
        case .onlySecret:
            "\(self): start the nodes with a new one in front of it first "
                + "('doornail secret' prints one)"
        }
    }
}

extension SecretRules.Refusal {
    var sentence: String {
        switch self {
        case .missing(let keyIDs):
            "the database knows secrets that DOORNAIL_SECRET does not include (key id "
                + keyIDs.map(String.init).joined(separator: ", ")
                + "): add them after a comma, or end them with 'doornail secret retire ID'"
        case .allRetired:
            "every secret in DOORNAIL_SECRET is retired; put a new one in front "
                + "('doornail secret' prints one)"
        }
    }
}

extension ServerSecret.Invalid {
    var sentence: String {
        switch self {
        case .empty: "\(self); 'doornail secret' prints one"
        case .length, .character: "\(self); 'doornail secret' prints a good one"
        }
    }
}

extension [ClientRegistration.Problem] {
    var sentence: String {
        map { problem in
            problem == .noRedirectURI ? "\(problem) (--redirect-uri)" : "\(problem)"
        }.joined(separator: "; ")
    }
}

extension UserDetails.Problem {
    var sentence: String {
        switch self {
        case .username:
            "--username: a user name is 1 to \(Limits.usernameBytes) bytes without control "
                + "characters, and not in UUID form"
        case .name: "--name: a name is 1 to \(Limits.nameBytes) bytes without control characters"
        case .email:
            "--email: an address is like ada@example.com: at most \(UserDetails.emailBytes) "
                + "bytes, one @, no spaces"
        case .verifiesNothing: "--email-verified says something about --email: give both"
        }
    }
}

extension Finding {
    /// What it is about, in a word.
    var about: String {
        switch self {
        case .oldPostgres, .standby, .lossyCommits, .encoding, .triggersNotAlwaysOn,
            .temporaryTablesForAll, .superuser, .mayCreateTables, .database:
            "database"
        case .noSynchronousStandby, .synchronousStandbys, .silentNodes, .fewConnections: "leases"
        case .newSecrets, .allSecrets, .oldSecret, .secrets: "secrets"
        }
    }

    var sentence: String {
        switch self {
        case .oldPostgres(let version):
            "PostgreSQL \(version / 10_000) is too old; use 15 or newer"
        case .standby:
            "this is a standby; connect to the primary "
                + "(target_session_attrs=read-write chooses it among several hosts)"
        case .lossyCommits(let weakness):
            "\(weakness), so a crash or a failover can lose what was acknowledged, "
                + "and nodes answer nothing; set it to on, for the server, the database and "
                + "this role (ALTER ROLE ... RESET ...)"
        case .encoding(let encoding):
            "the database's encoding is \(encoding); make it with UTF8"
        case .triggersNotAlwaysOn(let count):
            "\(count) triggers are not always on, so what is written by hand is not "
                + "guarded: as the owner, ALTER TABLE ... ENABLE ALWAYS TRIGGER ... for each "
                + "(ENABLE REPLICA for those that are called apply)"
        case .temporaryTablesForAll:
            "every role that may connect may make temporary tables; as the owner of the "
                + "database: REVOKE TEMPORARY ON DATABASE ... FROM PUBLIC"
        case .superuser: "this role is a superuser; serve as one that may only read and write"
        case .mayCreateTables: "this role may create tables; serve as another one than migrates"
        case .database(let e):
            "PostgreSQL \(e.serverVersion / 10_000), timeline \(e.primary.timeline); clients: "
                + "\(e.clients), running nodes: \(e.nodes - e.silentNodes), "
                + "log entries so far: \(e.lastNumber), what was over before "
                + "\(e.purgeHorizon.text) is removed"
        case .noSynchronousStandby:
            "commits wait for no standby (synchronous_standby_names is empty): right for a "
                + "single PostgreSQL; a failover to a standby would lose acknowledged "
                + "revocations"
        case .synchronousStandbys(let names):
            "commits wait for a standby (synchronous_standby_names is '\(names)')"
        case .silentNodes(let count, let wait):
            "nodes that are gone, or do not reach the database: \(count); until their "
                + "rows are removed, each revocation waits \(Int64(wait.rounded(.up))) ms for "
                + "them. A running node removes them after some seconds"
        case .fewConnections(let given, let nodes, let pool, let needed):
            "PostgreSQL gives \(given) connections (max_connections, less the "
                + "reserved ones), and \(nodes) node\(nodes == 1 ? "" : "s") with "
                + "DOORNAIL_POOL=\(pool) and one for the lease use \(needed): raise one, or "
                + "lower the other"
        case .newSecrets(let count): "\(count) new; 'doornail serve' makes them known"
        case .allSecrets(let count):
            "this configuration has every secret that is in use (\(count))"
        case .oldSecret(let keyID, let grants):
            "secret \(keyID) is an old one; grants that may still hold a refresh "
                + "token under it: \(grants). Retire it once there are "
                + "none and the access tokens have expired"
        case .secrets(let refusal): refusal.sentence
        }
    }
}
