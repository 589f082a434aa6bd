import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A user of the machine, by number.
struct Account: Sendable, Equatable {
    let user: uid_t
    let group: gid_t

    /// The user that this process runs as.
    static var current: Account { Account(user: geteuid(), group: getegid()) }

    /// Looks a user up by name; called before there are other threads that might do so too.
    static func named(_ name: String) -> Account? {
        guard let entry = unsafe getpwnam(name) else { return nil }
        return unsafe Account(user: entry.pointee.pw_uid, group: entry.pointee.pw_gid)
    }
}
