/// Where a request came from, as text for logs and as what a throttle counts by.
package struct ClientAddress: Sendable, Hashable, CustomStringConvertible {
    private let address: IPAddress?
    package let description: String

    /// A text that is no address, as of a socket without one, stands for itself.
    package init(_ text: String) {
        address = IPAddress(text)
        description = address?.description ?? text
    }

    init(_ address: IPAddress) {
        self.address = address
        description = address.description
    }

    /// An IPv4 address as it is, and of an IPv6 address the /64, which is what one subscriber gets.
    package var throttleNetwork: String {
        guard let address, case .v6 = address else { return description }
        return "\(address.network)/64"
    }
}
