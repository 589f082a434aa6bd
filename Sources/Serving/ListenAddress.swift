package import Hummingbird
import NIOCore

/// Where a listener listens: `127.0.0.1:4444`, `[::1]:4444`, or `:4444` for all interfaces.
package struct ListenAddress: Sendable, Equatable {
    /// A name or address without brackets; empty for all interfaces.
    package let host: String
    /// 0: one that the system chooses.
    package let port: Int

    /// Why a text names no listener.
    package struct ParseError: Error, Equatable, CustomStringConvertible {
        package let text: String
        package let reason: String

        package var description: String {
            "\"\(text)\" is not an address to listen on: \(reason); "
                + "write HOST:PORT, [IPV6]:PORT or :PORT"
        }
    }

    package init(_ text: String) throws(ParseError) {
        func refused(_ reason: String) -> ParseError { ParseError(text: text, reason: reason) }

        let bytes = Array(text.utf8)
        guard bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw refused("it has characters that no address has")
        }
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")) else {
            throw refused("the port is missing")
        }
        let digits = bytes[(colon + 1)...]
        guard !digits.isEmpty, digits.count <= 5,
            digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = Int(String(decoding: digits, as: UTF8.self)), port <= 65535
        else { throw refused("the port is not a number from 0 to 65535") }

        let host = bytes[..<colon]
        if host.first == UInt8(ascii: "[") {
            let inner = String(decoding: host.dropFirst().dropLast(), as: UTF8.self)
            guard host.last == UInt8(ascii: "]"), case .v6 = IPAddress(inner) else {
                throw refused("there is no IPv6 address between the brackets")
            }
            self.host = inner
            self.port = port
            return
        }
        guard !host.contains(UInt8(ascii: ":")) else {
            throw refused("an IPv6 address goes in brackets")
        }
        guard host.allSatisfy(Self.isNameByte) else {
            throw refused("the host is not a name or address")
        }
        self.host = String(decoding: host, as: UTF8.self)
        self.port = port
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// True if only this machine can reach it; plain HTTP elsewhere deserves a warning.
    package var isLoopback: Bool {
        host == "localhost" || (IPAddress(host)?.isLoopback ?? false)
    }

    /// What is bound: all interfaces are `::`, which on a machine without IPv6 cannot be bound.
    package var bindAddress: BindAddress {
        guard host.isEmpty else { return .hostname(host, port: port) }
        let hasIPv6 = (try? System.enumerateDevices())?.contains { $0.address?.protocol == .inet6 }
        return .hostname(hasIPv6 == true ? "::" : "0.0.0.0", port: port)
    }
}

extension ListenAddress: CustomStringConvertible {
    package var description: String {
        if case .v6 = IPAddress(host) { return "[\(host)]:\(port)" }
        return "\(host):\(port)"
    }
}

/// The files that TLS is served from, in PEM.
package struct TLSFiles: Sendable, Equatable {
    /// The server's certificate, then those between it and the root.
    package let certificate: String
    package let key: String

    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}
