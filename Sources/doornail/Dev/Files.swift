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

/// The few system calls on files that Foundation does not have or does not explain.
enum Files {
    /// What the system says about its last refusal ("No space left on device").
    static var refusal: String { unsafe String(cString: strerror(errno)) }

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

    /// The size of a file in bytes; 0 where there is none.
    static func size(of path: String) -> Int {
        var status = stat()
        return unsafe lstat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Gives a finished file or folder its name, in one step.
    static func move(_ old: String, to new: String) throws(DevError) {
        guard unsafe rename(old, new) == 0 else {
            throw DevError("\(new) cannot be written: \(refusal).")
        }
    }

    /// The text of a small file; `nil` if it cannot be read, or is a link.
    static func text(of path: String) -> String? {
        text(of: unsafe open(path, reading))
    }

    /// How a file is opened to be read: no link is followed, and a pipe that nobody writes to is not
    /// waited for.
    static let reading = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC

    /// The text of an open file, which is closed; `nil` without one.
    static func text(of file: CInt) -> String? {
        guard file >= 0 else { return nil }
        defer { close(file) }
        var text: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe read(file, &part, part.count)
            if count == 0 { break }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            text += part[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The text of a file from a place on, at most its last 64 KiB.
    static func text(of path: String, from start: Int) -> String {
        String(decoding: (text(of: path) ?? "").utf8.dropFirst(start).suffix(65_536), as: UTF8.self)
    }

    /// Gives a lock back before the process ends.
    static func unlock(_ descriptor: CInt) {
        close(descriptor)
    }

    /// The part of a path by which others could lead root elsewhere: a link of another user's, or a
    /// folder in which anybody may put one thing in another's place; `nil` where there is none.
    static func weakPart(of path: String) -> String? {
        var left = path.split(separator: "/")
        if !path.hasPrefix("/") {
            left = FileManager.default.currentDirectoryPath.split(separator: "/") + left
        }
        var reached = ""
        var links = 0
        while !left.isEmpty {
            let name = left.removeFirst()
            if name == "." { continue }
            if name == ".." {
                reached = String(reached[..<(reached.lastIndex(of: "/") ?? reached.startIndex)])
                continue
            }
            let next = "\(reached)/\(name)"
            var status = stat()
            // What is not there yet is made by us, in what was looked at.
            guard unsafe lstat(next, &status) == 0 else { return nil }
            if status.st_mode & S_IFMT == S_IFLNK {
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: next)
                links += 1
                guard status.st_uid == 0, links <= 40, let target else { return next }
                if target.hasPrefix("/") { reached = "" }
                left = target.split(separator: "/") + left
                continue
            }
            let isSticky = status.st_mode & 0o1000 != 0
            if status.st_mode & 0o002 != 0, !isSticky { return next }
            reached = next
        }
        return nil
    }
}
