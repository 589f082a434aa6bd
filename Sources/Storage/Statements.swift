package import Logging
package import Postgres

/// Every statement there is. Each connection prepares this list, and a test compares it with the
/// database.
package enum Statements {
    package static let all: [any PreparableStatement] = pooled + NodePolls.statements

    /// Those of the pool's connections.
    static let pooled: [any PreparableStatement] = [
        Tokens.liveness, AccessTokens.revoke,
        Grants.rotate, Grants.revoke,
        AuthorizationCodes.issue, AuthorizationCodes.find, AuthorizationCodes.redeem,
        Consents.remember,
        Sessions.find, Sessions.begin, Sessions.renew, Sessions.use, Sessions.revoke,
        SessionRecords.list, SessionRecords.grants,
        Accounts.devices, Accounts.apps, Accounts.endOthers,
        Users.find, Users.profile,
        SigningKeys.list, SigningKeys.add, SigningKeys.copy, SigningKeys.withdraw,
        UserRecords.list, UserRecords.create, UserRecords.end, UserRecords.enable,
        UserRecords.delete,
        Clients.find,
        ClientRecords.list, ClientRecords.create, ClientRecords.update,
        ClientRecords.rotateSecret, ClientRecords.dropPreviousSecret, ClientRecords.end,
        ClientRecords.enable, ClientRecords.delete,
        Secrets.list, Secrets.grants, Secrets.admit, Secrets.retire,
        Nodes.leave, Nodes.list, Nodes.remove, RevocationLog.read,
        Throttles.count, Throttles.takeBack,
        PurgeHorizon.advance, Housekeeping.revokedTokens, Housekeeping.revocations,
        Housekeeping.throttles, Housekeeping.codes, Housekeeping.sessions,
        Housekeeping.endedSessions, Housekeeping.grants, Housekeeping.endedGrants,
        Housekeeping.deletedIDs, Restored.restored,
        Examination.statement, Examination.ping,
    ]
}

extension Store {
    /// A store on a pool of its own, whose connections prepare all that it asks.
    package init(
        _ configuration: PostgresPool.Configuration, authority: any Authority = PrimaryGuard(),
        logger: Logger
    ) {
        self.init(
            on: ProvenPool(
                pool: PostgresPool(configuration, statements: Statements.pooled, logger: logger),
                authority: authority))
    }
}
