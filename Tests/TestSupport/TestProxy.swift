import Postgres
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif
#if canImport(FoundationEssentials)
    import Foundation
#endif

/// A network between a test and its database that can be frozen and cut.
///
/// It stands on a unix socket in a folder of its own, and passes on to the cluster's.
package final class TestProxy: Sendable {
    private struct State {
        var isFrozen = false
        var isRefusing = false
        var sockets: [Int32] = []
    }

    private let folder: String
    private let upstream: String
    private let listener: Int32
    private let state = Mutex(State())

    /// The database's URL by way of the proxy.
    package let url: String

    package init(to url: String) throws {
        guard let query = url.split(separator: "?", maxSplits: 1).last,
            let host = query.split(separator: "&").first(where: { $0.hasPrefix("host=/") })
        else {
            throw TestDatabase.Missing(description: "The proxy needs a database on a unix socket.")
        }
        let port =
            query.split(separator: "&").first { $0.hasPrefix("port=") }?.dropFirst(5) ?? "5432"
        upstream = "\(host.dropFirst(5))/.s.PGSQL.\(port)"
        folder = "/tmp/dn-proxy-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
        self.url = url.replacing(host, with: "host=\(folder)", maxReplacements: 1)
        guard unsafe mkdir(folder, 0o700) == 0 else {
            throw TestDatabase.Missing(description: "No folder \(folder).")
        }
        let path = "\(folder)/.s.PGSQL.\(port)"
        let listener = socket(AF_UNIX, Self.stream, 0)
        self.listener = listener
        guard unsafe Self.with(path, { unsafe bind(listener, $0, $1) }) == 0,
            listen(listener, 64) == 0
        else {
            throw TestDatabase.Missing(description: "No socket at \(path).")
        }
        Thread.detachNewThread { [self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                connect(client)
            }
        }
    }

    #if canImport(Glibc)
        private static let stream = Int32(SOCK_STREAM.rawValue)
    #else
        private static let stream = SOCK_STREAM
    #endif

    /// Holds back everything, without closing anything.
    package func freeze() { state.withLock { $0.isFrozen = true } }

    package func thaw() { state.withLock { $0.isFrozen = false } }

    /// Closes all connections, and each new one at once, as a server that is down.
    package func cut() {
        let sockets = state.withLock { state in
            state.isRefusing = true
            defer { state.sockets = [] }
            return state.sockets
        }
        for socket in sockets { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    package func heal() { state.withLock { $0.isRefusing = false } }

    /// Ends the proxy.
    package func stop() {
        cut()
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        try? FileManager.default.removeItem(atPath: folder)
    }

    private func connect(_ client: Int32) {
        let server = socket(AF_UNIX, Self.stream, 0)
        guard unsafe Self.with(upstream, { unsafe Self.connectTo(server, $0, $1) }) == 0,
            state.withLock({ state in
                if !state.isRefusing { state.sockets += [client, server] }
                return !state.isRefusing
            })
        else {
            close(client)
            close(server)
            return
        }
        Thread.detachNewThread { self.pump(from: client, to: server) }
        Thread.detachNewThread { self.pump(from: server, to: client) }
    }

    /// Passes bytes on until either side closes. Descriptors are left open until the test process
    /// ends: one that is closed might be another's by the time that it is shut down.
    private func pump(from source: Int32, to target: Int32) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe read(source, &buffer, buffer.count)
            while state.withLock({ $0.isFrozen }) { usleep(2000) }
            guard count > 0 else { break }
            var sent = 0
            while sent < count {
                let written = unsafe buffer.withUnsafeBytes { bytes in
                    unsafe send(
                        target, bytes.baseAddress?.advanced(by: sent), count - sent,
                        Int32(MSG_NOSIGNAL))
                }
                guard written > 0 else { break }
                sent += written
            }
            if sent < count { break }
        }
        shutdown(source, Int32(SHUT_RDWR))
        shutdown(target, Int32(SHUT_RDWR))
    }

    private static func connectTo(
        _ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t
    ) -> Int32 {
        #if canImport(Glibc)
            unsafe Glibc.connect(descriptor, address, length)
        #else
            unsafe Darwin.connect(descriptor, address, length)
        #endif
    }

    /// Gives the address of a unix socket to a closure.
    private static func with(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            for (index, byte) in path.utf8.prefix(107).enumerated() { unsafe target[index] = byte }
        }
        return unsafe withUnsafePointer(to: address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe body(pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
