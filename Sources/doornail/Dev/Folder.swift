// `stat` is of the module whose headers were read first: this one, or Glibc.
import CoreFoundation
import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// An open folder. What is done in it is done there, wherever its name leads by then; and no link in
/// it is followed, so that nobody makes root write elsewhere.
struct Folder: Sendable {
    let path: String
    private let descriptor: CInt

    /// Opens a folder, and not what a link of that name leads to.
    /// - Parameter path: what the folder is called from then on.
    init(_ name: String, path: String? = nil) throws(DevError) {
        let file = unsafe open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else {
            throw DevError(
                "\(name) cannot be entered, or is a link and no folder: \(Files.refusal).")
        }
        self.path = path ?? name
        descriptor = file
    }

    /// Closes it, where it is not kept to the end of the process.
    func release() {
        close(descriptor)
    }

    /// Whether it belongs to a user, and, where that is root, nobody else may write to it.
    func isKept(by account: Account) -> Bool {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_uid == account.user else {
            return false
        }
        let isShared =
            status.st_mode & 0o002 != 0 || status.st_mode & 0o020 != 0 && status.st_gid != 0
        return account.user != 0 || !isShared
    }

    /// Gives the folder to another user.
    func give(to owner: Account) throws(DevError) {
        guard fchown(descriptor, owner.user, owner.group) == 0 else {
            throw DevError("\(path) cannot be given to another user: \(Files.refusal).")
        }
    }

    /// Whether there is anything of that name.
    func has(_ name: String) -> Bool {
        var status = stat()
        return unsafe fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0
    }

    /// The text of a small file; `nil` if it cannot be read, or is a link.
    func text(of name: String) -> String? {
        Files.text(of: unsafe openat(descriptor, name, Files.reading))
    }

    /// Removes a file, if it is there.
    func remove(_ name: String) {
        _ = unsafe unlinkat(descriptor, name, 0)
    }

    /// Writes a small file, readable by its owner alone, so that it is there whole or not at all.
    func save(_ text: String, as name: String, owner: Account? = nil) throws(DevError) {
        let draft = name + ".new"
        // What a run left behind that was cut short; or what somebody planted.
        remove(draft)
        let file = unsafe openat(
            descriptor, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw cannotWrite(name) }
        var isWritten = Self.put(text, file) && fsync(file) == 0
        if let owner { isWritten = fchown(file, owner.user, owner.group) == 0 && isWritten }
        let error = errno
        close(file)
        guard isWritten else {
            errno = error
            throw cannotWrite(name)
        }
        guard unsafe renameat(descriptor, draft, descriptor, name) == 0 else {
            throw cannotWrite(name)
        }
    }

    /// The process that was asked to hold a lock, or the descriptor of the lock that now is ours.
    enum Lock {
        case held(descriptor: CInt)
        case busy(holder: String)
    }

    /// Takes a lock that the kernel gives back when this process ends, however it ends.
    func lock(_ name: String) throws(DevError) -> Lock {
        let file = unsafe openat(
            descriptor, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw cannotWrite(name) }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            let refusal = Files.refusal
            close(file)
            guard reason == EWOULDBLOCK else {
                throw DevError("\(path)/\(name) cannot be locked: \(refusal).")
            }
            let holder = text(of: name) ?? ""
            return .busy(holder: String(holder.prefix { $0.isASCII && $0.isNumber }))
        }
        var status = stat()
        // A file with another name besides is somebody else's.
        guard unsafe fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_nlink == 1
        else {
            close(file)
            throw DevError("\(path)/\(name) is no file of this command's: remove it.")
        }
        guard ftruncate(file, 0) == 0, Self.put("\(getpid())\n", file) else {
            let error = cannotWrite(name)
            close(file)
            throw error
        }
        return .held(descriptor: file)
    }

    /// Why a file could not be written, by the system's last refusal.
    private func cannotWrite(_ name: String) -> DevError {
        errno == ELOOP
            ? DevError("\(path)/\(name) is a link, which leads elsewhere: remove it.")
            : DevError("\(path)/\(name) cannot be written: \(Files.refusal).")
    }

    private static func put(_ text: String, _ file: CInt) -> Bool {
        let bytes = Array(text.utf8)
        return unsafe write(file, bytes, bytes.count) == bytes.count
    }
}

extension Folder {
    /// Makes a folder for one user alone, with a name of its own that begins with `prefix`.
    static func makeUnique(
        _ prefix: String, owner: Account?
    ) throws(DevError) -> String {
        // mkdtemp(3) puts letters of its own in place of these six.
        var name = Array((prefix + "XXXXXX").utf8CString)
        let made = unsafe mkdtemp(&name) != nil
        guard made else { throw DevError("No folder \(prefix)... can be made: \(Files.refusal).") }
        let path = String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard let owner else { return path }
        do throws(DevError) {
            // Not by its name, which may lead elsewhere by now.
            let folder = try Folder(path)
            defer { folder.release() }
            try folder.give(to: owner)
        } catch {
            _ = unsafe rmdir(path)
            throw error
        }
        return path
    }
}
