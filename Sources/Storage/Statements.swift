package import Postgres

/// Every statement there is. Each connection prepares this list, and a test compares it with the
/// database.
package enum Statements {
    package static let all: [any PreparableStatement] = [
        AccessTokens.liveness, AccessTokens.revoke,
        Clients.find,
        ClientRecords.list, ClientRecords.create, ClientRecords.update,
        ClientRecords.rotateSecret, ClientRecords.dropPreviousSecret, ClientRecords.end,
        ClientRecords.enable, ClientRecords.delete,
        Secrets.list, Secrets.admit, Secrets.retire,
        Nodes.join, Nodes.renew, Nodes.leave, Nodes.list, Nodes.removeStale,
        Throttles.count,
        Housekeeping.revokedTokens, Housekeeping.revocations, Housekeeping.throttles,
        Restored.restored,
        Examination.statement, Examination.ping,
    ]
}
