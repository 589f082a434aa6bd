/// The proxies whose word about a client's address is believed (RFC 9700 §4.13).
///
/// Pure. Anyone can send `X-Forwarded-For`, so an entry counts only if all that stand to its right,
/// and the peer itself, are proxies of ours.
package struct TrustedProxies: Sendable, Equatable {
    struct Network: Sendable, Hashable {
        let address: IPAddress
        let prefixLength: Int

        func contains(_ other: IPAddress) -> Bool {
            switch (address, other) {
            case (.v4(let mine), .v4(let theirs)):
                prefixLength == 0 || (mine ^ theirs) >> UInt32(32 - prefixLength) == 0
            case (.v6(let myHigh, let myLow), .v6(let high, let low)):
                // Shifts by the full width give zero here, which is what both edges need.
                (myHigh ^ high) >> UInt64(max(0, 64 - prefixLength)) == 0
                    && (prefixLength <= 64
                        || (myLow ^ low) >> UInt64(max(0, 128 - prefixLength)) == 0)
            default: false
            }
        }
    }

    /// Why a list is not one of addresses and networks.
    package struct ParseError: Error, Equatable, CustomStringConvertible {
        package let entry: String
        package let reason: String

        package var description: String {
            "\"\(entry)\" is not an address or network of trusted proxies: \(reason)"
        }
    }

    let networks: [Network]

    /// Nobody is trusted.
    package static let none = TrustedProxies(networks: [])

    private init(networks: [Network]) {
        self.networks = networks
    }

    /// A comma-separated list such as `10.0.0.0/8, 192.0.2.7, 2001:db8::/32`; empty: nobody.
    package init(_ list: String) throws(ParseError) {
        guard !trimmed(list[...].utf8).isEmpty else {
            self = .none
            return
        }
        var networks: [Network] = []
        for part in list.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        {
            let entry = String(Substring(trimmed(part)))
            networks.append(try Self.network(entry))
        }
        self.networks = networks
    }

    private static func network(_ entry: String) throws(ParseError) -> Network {
        guard !entry.isEmpty else {
            throw ParseError(entry: entry, reason: "an entry between two commas is empty")
        }
        let parts = entry.utf8.split(
            separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false
        ).map { String(Substring($0)) }
        guard let address = IPAddress(parts[0]) else {
            throw ParseError(
                entry: entry, reason: "\"\(parts[0])\" is not an IPv4 or IPv6 address")
        }
        // A mapped network (::ffff:10.0.0.0/104) counts its bits in IPv6.
        let isMapped = parts[0].utf8.contains(UInt8(ascii: ":")) && address.isIPv4
        let width = address.isIPv4 && !isMapped ? 32 : 128
        guard parts.count == 2 else {
            return Network(address: address, prefixLength: address.isIPv4 ? 32 : 128)
        }
        guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy(isDigit),
            let length = Int(parts[1]), length <= width, !isMapped || length >= 96
        else {
            throw ParseError(
                entry: entry,
                reason: "the number after the slash has to be \(isMapped ? 96 : 0) to \(width)")
        }
        let network = Network(address: address, prefixLength: isMapped ? length - 96 : length)
        guard network.hasNoHostBits else {
            throw ParseError(entry: entry, reason: "the address has bits outside of the network")
        }
        return network
    }

    package func contains(_ address: IPAddress) -> Bool {
        networks.contains { $0.contains(address) }
    }

    /// The right-most address that is not a trusted proxy's, by `Forwarded` (RFC 7239) or
    /// `X-Forwarded-For`. Reading goes from right to left, and what cannot be read ends it at the
    /// last hop that could.
    ///
    /// A proxy writes one of the two and passes the other on as the client sent it. Where both are
    /// there and differ, nobody knows which is true, and the peer's own address is taken.
    package func clientAddress(
        peer: String, forwarded: [String], xForwardedFor: [String]
    ) -> ClientAddress {
        guard let peerAddress = IPAddress(peer), contains(peerAddress) else {
            return ClientAddress(peer)
        }
        let standard = client(behind: peerAddress, ForwardedHeader.forwarded(forwarded))
        let common = client(behind: peerAddress, ForwardedHeader.xForwardedFor(xForwardedFor))
        if forwarded.isEmpty { return ClientAddress(common) }
        if xForwardedFor.isEmpty || standard == common { return ClientAddress(standard) }
        return ClientAddress(peerAddress)
    }

    private func client(behind peerAddress: IPAddress, _ hops: [IPAddress?]) -> IPAddress {
        var client = peerAddress
        for hop in hops.reversed() {
            guard let hop else { break }
            client = hop
            if !contains(hop) { break }
        }
        return client
    }
}

extension IPAddress {
    fileprivate var isIPv4: Bool {
        if case .v4 = self { true } else { false }
    }
}

extension TrustedProxies.Network {
    /// `10.1.2.3/8` is more likely a slip than a way to write `10.0.0.0/8`.
    fileprivate var hasNoHostBits: Bool {
        switch address {
        case .v4(let bits): prefixLength == 32 || bits << UInt32(prefixLength) == 0
        case .v6(let high, let low):
            prefixLength <= 64
                ? low == 0 && high << UInt64(prefixLength) == 0
                : low << UInt64(prefixLength - 64) == 0
        }
    }
}

private func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}
