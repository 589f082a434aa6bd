import NIOCore
import Testing

@testable import Serving
@testable import Web

/// Who gets a place, and what is said of those who get none.
@Suite struct AdmissionTests {
    private let one = IPAddress.v4(1)
    private let two = IPAddress.v4(2)

    private func places(_ connections: Int, byAddress: Int) -> ConnectionPlaces {
        var limits = HTTPLimits()
        limits.connections = connections
        limits.connectionsByAddress = byAddress
        return ConnectionPlaces(limits: limits)
    }

    @Test func anAddressHasItsShare() {
        var places = places(5, byAddress: 2)
        #expect(places.take(one) == nil)
        #expect(places.take(one) == nil)
        #expect(places.take(one) == .address)
        #expect(places.take(two) == nil)
        places.free(one)
        #expect(places.take(one) == nil)
        #expect(places.taken == 3)
    }

    /// Those that are not counted by address have what is left.
    @Test func allHaveABoundTogether() {
        var places = places(3, byAddress: 2)
        for _ in 0..<3 { #expect(places.take(nil) == nil) }
        #expect(places.take(nil) == .all)
        #expect(places.take(one) == .all)
        places.free(nil)
        #expect(places.take(one) == nil)
        #expect(places.taken == 3)
    }

    @Test func whatHappensOftenIsToldNowAndThen() {
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var repeated = SparseNote(everySeconds: 10)
        #expect(repeated.happened(at: start) == 1)
        #expect(repeated.happened(at: start + .seconds(1)) == nil)
        #expect(repeated.happened(at: start + .seconds(9)) == nil)
        #expect(repeated.happened(at: start + .seconds(10)) == 3)
        #expect(repeated.happened(at: start + .seconds(30)) == 1)
    }

    @Test(
        arguments: [
            (1_000_000, 200, 10_000, 2_500), (10_200, 200, 10_000, 2_500),
            (10_199, 200, 9_999, 2_499),
            (1024, 124, 900, 225), (216, 200, 16, 4), (215, 200, nil, nil), (0, 200, nil, nil),
        ] as [(Int, Int, Int?, Int?)])
    func connectionsAreWhatTheFilesLeave(
        _ files: Int, _ reserve: Int, _ connections: Int?, _ byAddress: Int?
    ) {
        let limits = HTTPLimits(files: files, reserve: reserve)
        #expect(limits?.connections == connections)
        #expect(limits?.connectionsByAddress == byAddress)
    }

    @Test(arguments: [
        ("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("::1", "::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ])
    func addressesAreCountedByNetwork(_ address: String, _ network: String) {
        #expect(IPAddress(address)?.network == IPAddress(network))
    }

    private static let get = "GET /live HTTP/1.1\r\nHost: x\r\n\r\n"

    /// One more than an address may have is closed at once; the others go on, and a place that is given
    /// back is given away again.
    @Test func whatHasNoPlaceIsClosedAtOnce() async throws {
        var limits = HTTPLimits()
        limits.connectionsByAddress = 2
        try await TestServer.run(limits: limits) { server in
            let client = RawClient(port: server.port)
            let first = try await client.talk([
                .send(Self.get), .answers(1),
                .perform {
                    let second = try await client.talk([
                        .send(Self.get), .answers(1),
                        .perform {
                            for _ in 0..<3 {
                                let third = try await client.talk([.send(Self.get)])
                                #expect(third.statuses.isEmpty && (third.ended || third.wasReset))
                            }
                        },
                    ]) { $0.statuses.count == 1 }
                    #expect(second.statuses == [200])
                },
                .send(Self.get),
            ]) { $0.statuses.count == 2 }
            #expect(first.statuses == [200, 200])
            var again = Reply()
            for _ in 0..<100 where again.statuses.isEmpty {
                again = try await client.talk([.send(Self.get)]) { $0.statuses.count == 1 }
            }
            #expect(again.statuses == [200])
            let lines = server.lines.all.filter { $0.contains("connections are refused") }
            #expect(lines.count == 1)
            #expect(lines.first?.contains(#""reason":"address""#) == true)
            #expect(lines.first?.contains(#""address":"127.0.0.1""#) == true)
            let page = server.metrics.render()
            let name = "doornail_connections_refused_total"
            #expect(page.contains(#"\#(name){listener="public",reason="address"}"#))
            #expect(!page.contains(#"\#(name){listener="public",reason="address"} 0"#))
            #expect(page.contains(#"\#(name){listener="public",reason="all"} 0"#))
        }
    }

    @Test func trustedProxiesHaveNoShare() async throws {
        var limits = HTTPLimits()
        limits.connectionsByAddress = 0
        try await TestServer.run(limits: limits, proxies: TrustedProxies("127.0.0.1")) { server in
            let reply = try await RawClient(port: server.port).talk([.send(Self.get)]) {
                $0.statuses.count == 1
            }
            #expect(reply.statuses == [200])
        }
    }
}
