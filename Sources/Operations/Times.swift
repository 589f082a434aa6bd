import Foundation
package import OAuth
package import Postgres

extension PostgresTime {
    /// RFC 3339, in UTC and whole seconds.
    package var text: String {
        Date(timeIntervalSince1970: Double(microseconds / 1_000_000))
            .formatted(.iso8601)
    }
}

extension UnixTime {
    /// RFC 3339, in UTC.
    package var text: String {
        Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
    }
}
