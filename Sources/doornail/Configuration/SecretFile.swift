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

/// A file that holds a secret. Links are followed, since that is how secrets are mounted in containers;
/// what counts is the file that they lead to.
struct SecretFile {
    let path: String
    /// What messages call it.
    let name: String

    /// Of a file as files are: a device, a pipe or a socket has no contents that wait there.
    private var mode: mode_t? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        return status.st_mode & S_IFMT == S_IFREG ? status.st_mode : nil
    }

    /// Refuses a file that others than its owner may write to: whoever chooses the secret makes tokens.
    /// What cannot be looked at is left to whoever reads it.
    func requireUnshared() throws(Settings.Invalid) {
        guard let mode, mode & 0o022 != 0 else { return }
        throw Settings.Invalid(
            description: "others than its owner may write to \(name) \(path): take that from them "
                + "('chmod go-w \(path)'), and change the secret if they may have used it")
    }

    /// What to say of a file that everybody may read, as those are that are mounted in containers.
    var warning: String? {
        guard let mode, mode & 0o004 != 0 else { return nil }
        return "every user of this machine may read \(name) \(path): 'chmod o-r \(path)'"
    }
}
