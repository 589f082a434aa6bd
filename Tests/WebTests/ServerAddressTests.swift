import NIOCore
import Testing

@testable import Serving
@testable import Web

/// Addresses, listeners and whom to believe about them: tables.
@Suite struct ServerAddressTests {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
        ("::", "::"), ("::1", "::1"), ("2001:DB8::1", "2001:db8::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1::8", "1::8"), ("fe80::", "fe80::"),
        ("::ffff:192.0.2.1", "192.0.2.1"), ("::FFFF:C000:0201", "192.0.2.1"),
        ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ])
    func addressesHaveOneText(_ text: String, _ canonical: String) throws {
        #expect(IPAddress(text)?.description == canonical)
        #expect(try SocketAddress(ipAddress: text, port: 1).ipAddress != nil)
    }

    @Test(arguments: [
        "", " ", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "0x7f.0.0.1",
        "1.2.3.", ".1.2.3", "1..2.3", "-1.2.3.4", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
        "1::2::3", "12345::", "g::", "::1%eth0", "[::1]", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3",
        "1:2:3:4::5:6:7:8", ":1::2", "1:", "::1:", "１.2.3.4", "1.2.3.4\u{0}", "localhost",
        "::ffff:1.2.3.4.5", "1.2.3.4::",
    ])
    func whatIsNoAddressIsNil(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func longTextIsNoAddress() {
        #expect(IPAddress(String(repeating: "1:", count: 100_000)) == nil)
        #expect(IPAddress(String(repeating: "9", count: 100_000)) == nil)
    }

    @Test(arguments: [
        ("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"), ("::ffff:192.0.2.7", "192.0.2.7"), ("unknown", "unknown"),
    ])
    func throttlesCountByNetwork(_ address: String, _ network: String) {
        #expect(ClientAddress(address).throttleNetwork == network)
    }

    @Test(arguments: [
        ("127.0.0.1:4444", "127.0.0.1", 4444, true), ("[::1]:0", "::1", 0, true),
        (":4444", "", 4444, false), ("localhost:65535", "localhost", 65535, true),
        ("0.0.0.0:80", "0.0.0.0", 80, false), ("[2001:db8::1]:80", "2001:db8::1", 80, false),
        ("auth.example.com:80", "auth.example.com", 80, false),
    ])
    func listenersAreParsed(
        _ text: String, _ host: String, _ port: Int, _ isLoopback: Bool
    ) throws {
        let address = try ListenAddress(text)
        #expect(address.host == host)
        #expect(address.port == port)
        #expect(address.isLoopback == isLoopback)
        #expect(address.description == text)
    }

    @Test(arguments: [
        "", "4444", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:x",
        "::1:4444", "[::1:4444", "[::1]", "[127.0.0.1]:1", "[]:1", "a b:1", "é:1", "http://x:1",
        "127.0.0.1:000080", "x:1\n",
    ])
    func badListenersAreNamed(_ text: String) {
        let error = #expect(throws: ListenAddress.ParseError.self) { try ListenAddress(text) }
        #expect(error?.description.contains("\"\(text)\"") == true)
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false),
        ("10.0.0.1", "10.0.0.1", true), ("10.0.0.1", "10.0.0.2", false),
        ("0.0.0.0/0", "8.8.8.8", true), ("0.0.0.0/0", "::1", false), ("::/0", "8.8.8.8", false),
        ("::/0", "2001:db8::1", true), ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::1", false), ("2001:db8::/96", "2001:db8::1:1", true),
        ("2001:db8::/96", "2001:db8::1:0:1", false), ("::1", "::1", true),
        (" 10.0.0.1 ,\t::1 ", "::1", true), ("10.0.0.1", "::ffff:10.0.0.1", true),
        ("::ffff:10.0.0.0/104", "10.1.2.3", true), ("", "10.0.0.1", false),
        ("10.0.0.128/25", "10.0.0.127", false), ("10.0.0.128/25", "10.0.0.129", true),
    ])
    func networksContain(_ list: String, _ address: String, _ expected: Bool) throws {
        let proxies = try TrustedProxies(list)
        #expect(proxies.contains(try #require(IPAddress(address))) == expected)
    }

    @Test(arguments: [
        ("10.0.0.0/33", "10.0.0.0/33"), ("10.0.0.1,", ""), (",", ""), ("x", "x"),
        ("10.0.0.1,y", "y"), ("10.0.0.0/", "10.0.0.0/"), ("10.0.0.0/8/8", "10.0.0.0/8/8"),
        ("::/129", "::/129"), ("10.0.0.0/-1", "10.0.0.0/-1"), ("10.0.0.1/8", "10.0.0.1/8"),
        ("2001:db8::1/64", "2001:db8::1/64"), ("::ffff:10.0.0.0/8", "::ffff:10.0.0.0/8"),
        ("10.0.0.0/+8", "10.0.0.0/+8"), ("10.0.0.0 /8", "10.0.0.0 /8"),
    ])
    func badEntriesAreNamed(_ list: String, _ entry: String) {
        let error = #expect(throws: TrustedProxies.ParseError.self) { try TrustedProxies(list) }
        #expect(error?.entry == entry)
    }

    struct Hops: Sendable {
        var peer = "10.0.0.1"
        var forwarded: [String] = []
        var xForwardedFor: [String] = []
        let client: String
    }

    static let hops: [Hops] = [
        Hops(client: "10.0.0.1"),
        Hops(peer: "192.0.2.1", xForwardedFor: ["203.0.113.9"], client: "192.0.2.1"),
        Hops(xForwardedFor: ["203.0.113.9"], client: "203.0.113.9"),
        Hops(xForwardedFor: ["6.6.6.6, 203.0.113.9"], client: "203.0.113.9"),
        Hops(xForwardedFor: ["6.6.6.6", "203.0.113.9"], client: "203.0.113.9"),
        Hops(xForwardedFor: ["6.6.6.6, 203.0.113.9, 10.0.0.2"], client: "203.0.113.9"),
        Hops(xForwardedFor: ["10.0.0.3, 10.0.0.2"], client: "10.0.0.3"),
        Hops(xForwardedFor: ["203.0.113.9, nonsense, 10.0.0.2"], client: "10.0.0.2"),
        Hops(xForwardedFor: ["203.0.113.9, nonsense"], client: "10.0.0.1"),
        Hops(xForwardedFor: ["203.0.113.9,"], client: "10.0.0.1"),
        Hops(xForwardedFor: ["203.0.113.9:4711"], client: "203.0.113.9"),
        Hops(xForwardedFor: ["[2001:db8::1]:4711"], client: "2001:db8::1"),
        Hops(xForwardedFor: ["2001:DB8:0::1"], client: "2001:db8::1"),
        Hops(xForwardedFor: ["::ffff:203.0.113.9"], client: "203.0.113.9"),
        Hops(peer: "::ffff:10.0.0.1", xForwardedFor: ["203.0.113.9"], client: "203.0.113.9"),
        Hops(
            forwarded: ["for=198.51.100.7"], xForwardedFor: ["203.0.113.9"], client: "10.0.0.1"),
        Hops(
            forwarded: ["for=203.0.113.9"], xForwardedFor: ["6.6.6.6, 203.0.113.9"],
            client: "203.0.113.9"),
        Hops(forwarded: [#"for="[2001:db8::1]:4711""#], client: "2001:db8::1"),
        Hops(forwarded: [#"For="[2001:db8::1]";proto=https;by=10.0.0.1"#], client: "2001:db8::1"),
        Hops(forwarded: ["for=6.6.6.6, for=198.51.100.7;proto=http"], client: "198.51.100.7"),
        Hops(forwarded: ["for=6.6.6.6", "for=198.51.100.7, for=10.0.0.9"], client: "198.51.100.7"),
        Hops(forwarded: ["for=198.51.100.7, for=unknown"], client: "10.0.0.1"),
        Hops(forwarded: ["for=198.51.100.7, for=_hidden, for=10.0.0.5"], client: "10.0.0.5"),
        Hops(forwarded: ["proto=https"], xForwardedFor: ["203.0.113.9"], client: "10.0.0.1"),
        Hops(forwarded: ["for=1.1.1.1;for=2.2.2.2"], client: "10.0.0.1"),
        Hops(forwarded: [#"for=6.6.6.6, for="198.51.100.7"#], client: "10.0.0.1"),
        Hops(forwarded: [#"host="a,for=6.6.6.6;b";for=198.51.100.7"#], client: "198.51.100.7"),
        Hops(forwarded: [#"for="198.51.100.7\"""#], client: "10.0.0.1"),
        Hops(forwarded: [#"for="\198.51.100.7""#], client: "198.51.100.7"),
        Hops(forwarded: [""], client: "10.0.0.1"), Hops(forwarded: ["=;,=;"], client: "10.0.0.1"),
        Hops(forwarded: ["for=[2001:db8::1"], client: "10.0.0.1"),
        Hops(forwarded: ["for=[198.51.100.7]"], client: "10.0.0.1"),
        Hops(forwarded: ["for=198.51.100.7:"], client: "10.0.0.1"),
        Hops(peer: "no address", forwarded: ["for=1.1.1.1"], client: "no address"),
        Hops(xForwardedFor: [String(repeating: ",", count: 10_000)], client: "10.0.0.1"),
        Hops(
            xForwardedFor: [String(repeating: "10.0.0.2,", count: 1000) + "10.0.0.2"],
            client: "10.0.0.2"),
    ]

    @Test(arguments: hops) func theRightmostStrangerIsTheClient(_ hops: Hops) throws {
        let proxies = try TrustedProxies("10.0.0.0/8")
        let client = proxies.clientAddress(
            peer: hops.peer, forwarded: hops.forwarded, xForwardedFor: hops.xForwardedFor)
        #expect(client.description == hops.client)
    }

    @Test func nobodyIsBelievedByDefault() {
        let client = TrustedProxies.none.clientAddress(
            peer: "127.0.0.1", forwarded: ["for=6.6.6.6"], xForwardedFor: ["6.6.6.6"])
        #expect(client.description == "127.0.0.1")
    }

    @Test func randomBytesNeverCrash() throws {
        let proxies = try TrustedProxies("10.0.0.0/8")
        let alphabet = Array("[]\":;,=.for0129af \\\t_é\u{301}")
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let text = String(
                (0..<Int.random(in: 0...24)).compactMap { _ in
                    alphabet.randomElement(using: &random)
                })
            _ = proxies.clientAddress(peer: "10.0.0.1", forwarded: [text], xForwardedFor: [])
            _ = proxies.clientAddress(peer: "10.0.0.1", forwarded: [], xForwardedFor: [text])
            _ = try? TrustedProxies(text)
            _ = try? ListenAddress(text)
        }
    }

    @Test func theAddressReachesTheEndpoint() async throws {
        try await TestServer.run(proxies: TrustedProxies("127.0.0.1")) { server in
            let reply = try await RawClient(port: server.port).talk([
                .send(
                    "GET /address HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        + "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n\r\n")
            ])
            #expect(reply.body == "203.0.113.9")
            #expect(server.lines.all.contains { $0.contains(#""address":"203.0.113.9""#) })
        }
    }
}
