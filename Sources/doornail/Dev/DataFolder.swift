import Foundation
import Serving

/// The folder that `doornail dev --data` names, held by this process alone.
///
/// PostgreSQL refuses to run as root, and the user `postgres`, whom it then runs as, may be unable
/// to enter the folder. So for root the cluster is in a folder of that user's, and the data folder
/// has a file `cluster` that names it; for everybody else the cluster is in the data folder.
struct DataFolder: Sendable {
    /// Where root's clusters are.
    static let rootsHome = "/var/lib/doornail"
    private static let clusterPrefix = rootsHome + "/dev-"
    /// The longest path that leaves PostgreSQL (MAXPGPATH, 1024 bytes) room for its own names.
    static let longestPath = 900

    /// The folder itself.
    let files: Folder
    /// The folder that the cluster and its log are in.
    let home: String
    /// Whom PostgreSQL runs as, if not as who we are.
    let account: Account?
    private let lock: CInt

    /// The cluster, once its first start has finished.
    var cluster: String { home + "/postgres" }
    /// What PostgreSQL has to say.
    var log: String { home + "/postgres.log" }

    /// Opens the folder, which is made if it is missing, and takes its lock.
    static func open(_ name: String) throws(DevError) -> DataFolder {
        guard !name.isEmpty, !name.utf8.contains(0) else {
            throw DevError("--data needs the name of a folder.")
        }
        // With a slash at its end, a link would be followed.
        var trimmed = name
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        let me = Account.current
        if me.user == 0, let part = Files.weakPart(of: trimmed) {
            throw DevError(
                "Others could change where \(part) leads, and this command runs as root: run it as "
                    + "a user other than root, or name another folder with --data.")
        }
        try Files.makeFolder(trimmed)
        guard let path = Files.realPath(trimmed) else {
            throw DevError("The folder \(name) cannot be entered: name another with --data.")
        }
        // What root was given is opened as it is called, since a link may have come there meanwhile.
        let files = try Folder(me.user == 0 ? trimmed : path, path: path)
        guard files.isKept(by: me) else {
            files.release()
            throw DevError(
                "The folder \(path) belongs to another user, or others may write to it: name another "
                    + "with --data, or run this command as its owner.")
        }
        do throws(DevError) {
            return try lock(files, me)
        } catch {
            files.release()
            throw error
        }
    }

    private static func lock(_ files: Folder, _ me: Account) throws(DevError) -> DataFolder {
        let path = files.path
        guard path.utf8.count <= longestPath else {
            throw DevError(
                "The path of the data folder is too long for PostgreSQL (\(path.utf8.count) "
                    + "bytes, at most \(longestPath)): name a shorter one with --data.")
        }
        switch try files.lock("lock") {
        case .busy(let holder):
            let process = holder.isEmpty ? "" : " (pid \(holder))"
            throw DevError(
                "doornail dev is already running\(process) on \(path): stop that one, or name "
                    + "another folder with --data.")
        case .held(let lock):
            do throws(DevError) {
                guard me.user == 0 else {
                    return DataFolder(files: files, home: path, account: nil, lock: lock)
                }
                let (home, account) = try rootsCluster(for: files)
                return DataFolder(files: files, home: home, account: account, lock: lock)
            } catch {
                Files.unlock(lock)
                throw error
            }
        }
    }

    /// Gives the lock back. Without it, the kernel does at the end of the process.
    func close() {
        Files.unlock(lock)
        files.release()
    }

    /// The folder of root's cluster, as the pointer in the data folder has it; made at first.
    private static func rootsCluster(for files: Folder) throws(DevError) -> (String, Account) {
        guard let account = Account.named("postgres") else {
            throw DevError(
                "PostgreSQL does not run as root, and there is no user postgres to run it as: "
                    + "install it (apt-get install postgresql), or start as another user.")
        }
        try Files.makeFolder(rootsHome, mode: 0o755)
        let homes = try Folder(rootsHome)
        defer { homes.release() }
        guard homes.isKept(by: .current) else {
            throw DevError("\(rootsHome) has to belong to root alone, whose clusters are there.")
        }
        if files.has("cluster") {
            let home = (files.text(of: "cluster") ?? "").prefix { !$0.isNewline }
            guard home.hasPrefix(clusterPrefix), Files.isFolder(String(home)),
                !home.dropFirst(clusterPrefix.count).contains("/")
            else {
                throw DevError(
                    "\(files.path)/cluster names a cluster that is not there (\(home)): put that "
                        + "folder back, or remove the file to begin anew.")
            }
            return (String(home), account)
        }
        guard !files.has("postgres") else {
            throw DevError(
                "\(files.path) has the data of a user other than root: run this command as that "
                    + "user, or name another folder with --data.")
        }
        let home = try Folder.makeUnique(clusterPrefix, owner: account)
        do throws(DevError) {
            // Before the cluster is made, so that one half made is found again and made anew.
            try files.save(home + "\n", as: "cluster")
        } catch {
            _ = unsafe rmdir(home)
            throw error
        }
        return (home, account)
    }
}
