// `stat` belongs to whichever module the compiler read first: CoreFoundation or Glibc.
import CoreFoundation
import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A file that holds a secret. Containers mount secrets by way of links, so links are followed, and the
/// mode that counts is that of the file at their end.
struct SecretFile {
    let path: String
    /// What messages call it.
    let name: String

    /// The mode of a regular file. A device, a pipe or a socket holds no secret that others could change.
    private var mode: mode_t? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        return status.st_mode & S_IFMT == S_IFREG ? status.st_mode : nil
    }

    /// Refuses a file that others than its owner may write to: whoever chooses the secret can make tokens.
    /// A file whose mode cannot be read passes; the caller reads it next, and says why it cannot.
    func requireUnshared() throws(InvalidSetting) {
        guard let mode, mode & 0o022 != 0 else { return }
        throw InvalidSetting(
            description: "others than its owner may write to \(name) \(path): take that from them "
                + "('chmod go-w \(path)'), and change the secret if they may have used it")
    }

    /// A warning where every user may read the file. It is no refusal: containers mount secrets like this.
    var warning: String? {
        guard let mode, mode & 0o004 != 0 else { return nil }
        return "every user of this machine may read \(name) \(path): 'chmod o-r \(path)'"
    }
}
