package import OAuth
import Postgres

/// What follows a restore of the database from a backup.
enum Restored {
    struct EndedRow: PostgresRow {
        let clients: Int64
        let users: Int64

        init(_ cells: inout Cells) throws(PostgresError) {
            clients = try cells.next()
            users = try cells.next()
        }
    }

    /// Ends everything that was ever issued, and begins a new log.
    ///
    /// Epochs that were reached after the backup are unknown, so each jumps by far more than
    /// anybody could have counted, and by a random number, so that a second restore of the same
    /// backup does not land where the first one did.
    static let restored = Statement<Proven<EndedRow>, String, String>(
        "restored",
        """
        WITH \(Primary.expression),
        ended AS (
            UPDATE clients SET
                epoch = epoch + (1::bigint << 20) + floor(random() * (1::bigint << 40))::bigint,
                ended_at = clock_timestamp(), ended_reason = $1, ended_by = $2
            RETURNING id),
        ended_users AS (
            UPDATE users SET
                epoch = epoch + (1::bigint << 20) + floor(random() * (1::bigint << 40))::bigint,
                ended_at = clock_timestamp(), ended_reason = $1, ended_by = $2
            RETURNING id),
        -- A key that was withdrawn since the backup would be back; the nodes make new ones.
        withdrawn AS (
            UPDATE signing_keys SET withdrawn_at = clock_timestamp(), withdrawn_by = $2
            WHERE withdrawn_at IS NULL
            RETURNING kid),
        renewed AS (UPDATE revocation_clock SET log_id = gen_random_uuid() RETURNING id)
        SELECT \(Primary.columns), (SELECT count(*) FROM ended), (SELECT count(*) FROM ended_users)
        FROM primary_state CROSS JOIN renewed CROSS JOIN (SELECT count(*) FROM withdrawn) AS n
        """)
}

extension Store {
    /// Ends every login and client token, and renews the log, however many there are; returns how many
    /// clients there are.
    package func endEverything(
        because cause: Cause
    ) async throws(StoreError) -> (clients: Int64, at: UnixTime) {
        let rows = try await proven(
            Restored.restored, cause.reason, cause.actor, deadline: .now + .seconds(600))
        guard let first = rows.first else { throw .broken("the revocation clock has no row") }
        return (first.row.clients, first.primary.time)
    }
}
