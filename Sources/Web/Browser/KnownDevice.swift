import Cluster
import HTTPTypes
import OAuth
import Storage

/// A browser in which somebody once logged in to an account. The passwords that are tried there are
/// counted apart, so that strangers cannot lock the owner out.
struct KnownDevice: Sendable {
    let id: Identifier
    let user: Identifier
    /// The user's epoch then: another password, and the browser is a stranger again.
    let epoch: Int64

    /// Whether an account knows it.
    func isKnown(to user: Identifier, epoch: Int64) -> Bool {
        self.user == user && self.epoch == epoch
    }

    fileprivate init(id: Identifier, user: Identifier, epoch: Int64) {
        self.id = id
        self.user = user
        self.epoch = epoch
    }

    /// Reads a cookie's payload; nil for anything but what `payload` gives.
    fileprivate init?(_ payload: [UInt8]) {
        var reader = PayloadReader(payload[...])
        guard let id = reader.identifier(), let user = reader.identifier(),
            let epoch = reader.integer(), reader.isAtEnd
        else { return nil }
        self.init(id: id, user: user, epoch: Int64(bitPattern: epoch))
    }

    fileprivate var payload: [UInt8] {
        var writer = PayloadWriter()
        writer.append(id)
        writer.append(user)
        writer.append(UInt64(bitPattern: epoch))
        return writer.bytes
    }
}

extension Browser {
    /// What the cookie of a known device says; nil without one.
    func knownDevice() throws(StoreError) -> KnownDevice? {
        guard let text = value(of: .device) else { return nil }
        return try services.node.unseal(text, for: .device).flatMap(KnownDevice.init)
    }

    /// The header that makes this browser known to the account whose password was right in it, for the
    /// epoch from then on. A browser that the account knows already keeps its counter.
    func settingKnownDevice(
        of user: Identifier, epoch: Int64
    ) throws(StoreError) -> HTTPField {
        var random = SystemRandomNumberGenerator()
        let known = try knownDevice()
        let device = KnownDevice(
            id: known.flatMap { $0.user == user ? $0.id : nil }
                ?? Identifier(milliseconds: 0, using: &random),
            user: user, epoch: epoch)
        return setting(.device, to: try services.node.seal(device.payload, for: .device))
    }
}
