import OAuth
import Testing

@Suite struct ThrottleTests {
    private static let secret = Throttle.clientSecret(clientID: "a", network: "127.0.0.1")
    private static let name = Throttle.accountName(hash: [1])
    private static let device = Throttle.device(Fixture.identifier(1))
    private static let address = Throttle.loginAddress(network: "127.0.0.1")

    /// What DESIGN.md says: how many failures are borne, and for how long they count.
    @Test(
        arguments: [
            (secret, 50, 300), (name, 20, 900), (device, 20, 900), (address, 50, 300),
        ] as [(Throttle, Int, Int64)])
    func limits(throttle: Throttle, failures: Int, windowSeconds: Int64) {
        #expect(throttle.failures == failures)
        #expect(throttle.windowSeconds == windowSeconds)
        for count in [0, 1, failures] {
            #expect(throttle.refusal(count: count, secondsLeft: 9) == nil)
        }
        for count in [failures + 1, 9_999] {
            #expect(throttle.refusal(count: count, secondsLeft: 9)?.code == .tooManyRequests)
        }
    }

    @Test(arguments: [(-1, 1), (0, 1), (1, 1), (300, 300)] as [(Int64, Int64)])
    func retryAfterIsAtLeastASecond(left: Int64, expected: Int64) {
        let refusal = Self.secret.refusal(count: 51, secondsLeft: left)
        #expect(refusal?.retryAfterSeconds == expected)
    }

    @Test func keysTellEverythingApart() {
        let pairs = [("a", "b"), ("a", "c"), ("b", "b"), ("a b", "")]
        let keys =
            pairs.map { Throttle.clientSecret(clientID: $0.0, network: $0.1).key }
            + [Self.name, Self.device, Self.address].map(\.key)
            + [
                Throttle.accountName(hash: [2]).key, Throttle.accountName(hash: []).key,
                Throttle.accountName(hash: Array("x".utf8)).key,
                Throttle.device(Fixture.identifier(2)).key,
                Throttle.loginAddress(network: "127.0.0.2").key,
                Throttle.loginAddress(network: "").key,
            ]
        #expect(Set(keys).count == keys.count)
        // The row has no name and no address in clear.
        #expect(keys.allSatisfy { $0.count == 32 })
    }
}
