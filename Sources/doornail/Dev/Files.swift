import Foundation

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

/// The few system calls on files that Foundation does not have or does not explain.
enum Files {
    /// What the system says about its last refusal ("No space left on device").
    private static var refusal: String { unsafe String(cString: strerror(errno)) }

    /// Makes a folder, and the ones above it, for its owner alone; an existing one stays as it is.
    static func makeFolder(_ path: String, mode: mode_t = 0o700) throws(DevError) {
        if unsafe mkdir(path, mode) == 0 { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeFolder(String(path[..<slash]), mode: 0o755)
            if unsafe mkdir(path, mode) == 0 { return }
        }
        let refusal = refusal
        guard errno == EEXIST, isFolder(path) else {
            throw DevError("The folder \(path) cannot be made: \(refusal).")
        }
    }

    /// Makes a folder for one user alone, with a name of its own that begins with `prefix`.
    static func makeUniqueFolder(
        _ prefix: String, owner: Account?
    ) throws(DevError) -> String {
        var name = Array((prefix + "XXXXXX").utf8CString)
        let made = unsafe mkdtemp(&name) != nil
        guard made else { throw DevError("No folder \(prefix)... can be made: \(refusal).") }
        let path = String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        if let owner, unsafe chown(path, owner.user, owner.group) != 0 {
            let refusal = refusal
            _ = unsafe rmdir(path)
            throw DevError("\(path) cannot be given to another user: \(refusal).")
        }
        return path
    }

    /// The full path without links, of something that exists.
    static func realPath(_ path: String) -> String? {
        guard let real = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(real) }
        return unsafe String(cString: real)
    }

    /// Whether there is a folder of that name.
    static func isFolder(_ path: String) -> Bool {
        var isFolder = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder
    }

    /// Whether there is anything of that name.
    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// The user who owns a file or folder.
    static func owner(of path: String) -> uid_t? {
        attributes(of: path)[.ownerAccountID].flatMap { $0 as? NSNumber }?.uint32Value
    }

    /// The size of a file in bytes; 0 where there is none.
    static func size(of path: String) -> Int {
        attributes(of: path)[.size].flatMap { $0 as? NSNumber }?.intValue ?? 0
    }

    /// What the system knows of a file; nothing where there is none.
    private static func attributes(of path: String) -> [FileAttributeKey: Any] {
        (try? FileManager.default.attributesOfItem(atPath: path)) ?? [:]
    }

    /// Gives a finished file or folder its name, all at once.
    static func move(_ old: String, to new: String) throws(DevError) {
        guard unsafe rename(old, new) == 0 else {
            throw DevError("\(new) cannot be written: \(refusal).")
        }
    }

    /// Writes a small file, readable by its owner alone, so that it is there whole or not at all.
    static func save(
        _ text: String, to path: String, owner: Account? = nil
    ) throws(DevError) {
        let draft = path + ".new"
        let file = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw DevError("\(path) cannot be written: \(refusal).") }
        var isWritten = put(text, file) && fsync(file) == 0
        if let owner { isWritten = fchown(file, owner.user, owner.group) == 0 && isWritten }
        let refusal = refusal
        close(file)
        guard isWritten else { throw DevError("\(path) cannot be written: \(refusal).") }
        try move(draft, to: path)
    }

    /// The text of a small file; `nil` if it cannot be read.
    static func text(of path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The text of a file from a place on, at most its last 64 KiB.
    static func text(of path: String, from start: Int) -> String {
        guard let all = FileManager.default.contents(atPath: path) else { return "" }
        return String(decoding: all.dropFirst(start).suffix(65_536), as: UTF8.self)
    }

    /// The process that was asked to hold a lock, or the descriptor of the lock that now is ours.
    enum Lock {
        case held(descriptor: CInt)
        case busy(holder: String)
    }

    /// Takes a lock that the kernel gives back when this process ends, however it ends.
    static func lock(_ path: String) throws(DevError) -> Lock {
        let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw DevError("\(path) cannot be written: \(refusal).") }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            let refusal = refusal
            close(file)
            guard reason == EWOULDBLOCK else {
                throw DevError("\(path) cannot be locked: \(refusal).")
            }
            let holder = text(of: path) ?? ""
            return .busy(holder: String(holder.prefix { $0.isASCII && $0.isNumber }))
        }
        guard ftruncate(file, 0) == 0, put("\(getpid())\n", file) else {
            let refusal = refusal
            close(file)
            throw DevError("\(path) cannot be written: \(refusal).")
        }
        return .held(descriptor: file)
    }

    /// Gives a lock back before the process ends.
    static func unlock(_ descriptor: CInt) {
        close(descriptor)
    }

    private static func put(_ text: String, _ file: CInt) -> Bool {
        let bytes = Array(text.utf8)
        return unsafe write(file, bytes, bytes.count) == bytes.count
    }
}
