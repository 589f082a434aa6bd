import NIOCore

/// The places for connections to one listener, and how many of them each network has: pure.
struct ConnectionPlaces {
    /// What there are too many of.
    enum Refusal: String, CaseIterable, Sendable {
        case all
        case address
    }

    private let limits: HTTPLimits
    private(set) var taken = 0
    private var byNetwork: [IPAddress: Int] = [:]

    init(limits: HTTPLimits) {
        self.limits = limits
    }

    /// - Parameter network: nil where connections are not counted by their address.
    mutating func take(_ network: IPAddress?) -> Refusal? {
        guard taken < limits.connections else { return .all }
        if let network {
            let count = byNetwork[network, default: 0]
            guard count < limits.connectionsByAddress else { return .address }
            byNetwork[network] = count + 1
        }
        taken += 1
        return nil
    }

    mutating func free(_ network: IPAddress?) {
        taken -= 1
        guard let network, let count = byNetwork[network] else { return }
        byNetwork[network] = count > 1 ? count - 1 : nil
    }
}

/// Says now and then what happens often.
struct SparseNote {
    private let seconds: Int64
    private var toldAt: NIODeadline?
    private var count = 0

    init(everySeconds seconds: Int64) {
        self.seconds = seconds
    }

    /// It happened. How often it did since it was last told, where it is time to tell it.
    mutating func happened(at now: NIODeadline) -> Int? {
        count += 1
        if let toldAt, now < toldAt + .seconds(seconds) { return nil }
        defer { count = 0 }
        toldAt = now
        return count
    }
}
