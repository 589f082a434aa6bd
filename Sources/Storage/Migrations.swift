internal import Crypto
package import Postgres

/// The migrations that this binary carries, from `migrations/`, so that it finds them wherever it
/// is started. A test compares the list with the folder.
package enum Migrations {
    package static let all: [Migration] = [
        migration(1, "0001_revocation_log", PackageResources._001_revocation_log_sql),
        migration(2, "0002_clients", PackageResources._002_clients_sql),
        migration(3, "0003_revoked_tokens", PackageResources._003_revoked_tokens_sql),
        migration(4, "0004_secrets", PackageResources._004_secrets_sql),
        migration(5, "0005_throttles", PackageResources._005_throttles_sql),
        migration(6, "0006_users", PackageResources._006_users_sql),
        migration(7, "0007_sessions", PackageResources._007_sessions_sql),
        migration(8, "0008_grants", PackageResources._008_grants_sql),
        migration(
            9, "0009_authorization_codes", PackageResources._009_authorization_codes_sql),
        migration(10, "0010_account", PackageResources._010_account_sql),
        migration(11, "0011_signing_keys", PackageResources._011_signing_keys_sql),
        migration(12, "0012_keys_and_logins", PackageResources._012_keys_and_logins_sql),
        migration(13, "0013_leases", PackageResources._013_leases_sql),
        migration(
            14, "0014_what_ended_stays_ended",
            PackageResources._014_what_ended_stays_ended_sql),
        migration(15, "0015_logins", PackageResources._015_logins_sql),
    ]

    private static func migration(_ version: Int, _ name: String, _ sql: [UInt8]) -> Migration {
        Migration(
            version: version, name: name, sql: String(decoding: sql, as: UTF8.self),
            checksum: Array(SHA256.hash(data: sql)))
    }
}
