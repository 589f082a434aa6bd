import NIOCore
import Testing

@testable import Serving
@testable import Web

/// Where what a peer sends is cut, so that the parser has the end of one request at the most.
@Suite struct MessagePartsTests {
    static let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

    /// Reads, and the parts that are made of them while no header is known to announce a body.
    @Test(
        arguments: [
            ([get], [get]),
            ([get + get], [get, get]),
            ([get + "GET"], [get, "GET"]),
            (
                ["GET / HTTP/1.1\r", "\n", "\r", "\n" + get],
                ["GET / HTTP/1.1\r", "\n", "\r", "\n", get]
            ),
            (["GET / HTTP/1.1\n\nGET"], ["GET / HTTP/1.1\n\n", "GET"]),
            (["GET / HTTP/1.1\r\n", "\nGET"], ["GET / HTTP/1.1\r\n", "\n", "GET"]),
            (["a\r\r\nb\r\n\r\r\nc\n \n\n"], ["a\r\r\nb\r\n\r\r\nc\n \n\n"]),
            (["\r\n" + get], ["\r\n" + get]),
            (["3\r\nabc\r\n0\r\n\r\n" + get], ["3\r\nabc\r\n0\r\n\r\n", get]),
        ] as [([String], [String])])
    func areCutAtEmptyLines(_ reads: [String], _ expected: [String]) {
        var parts = MessageParts()
        var found: [String] = []
        for read in reads {
            var bytes = ByteBuffer(string: read)
            while bytes.readableBytes > 0 {
                let count = parts.next(in: bytes.readableBytesView, bodyLeft: nil)
                found.append(bytes.readString(length: count) ?? "")
            }
        }
        #expect(found == expected)
    }

    @Test(arguments: [(5, 5), (100, 9), (1, 1), (0, 4)])
    func aBodyHasItsLength(_ left: Int, _ count: Int) {
        var parts = MessageParts()
        let bytes = ByteBuffer(string: "a\n\r\nbcdef")
        #expect(parts.next(in: bytes.readableBytesView, bodyLeft: left) == count)
    }

    @Test(
        arguments: [
            ("Content-Length: 18446744073709551616\r\n\r\n", true),
            (
                "POST / HTTP/1.1\r\nHost: x\r\ncontent-length:\t99999999999999999999 \r\nX: 1\r\n\r\n",
                true
            ),
            ("Content-Length: 99999999999999999999", true),
            ("Content-Length: 99999999999999999999 9\r\n\r\n", false),
            ("Content-Length: 99999999999999999999\r\nContent-Length: 5x\r\n\r\n", false),
            ("Content-Length: 18446744073709551615\r\n\r\n", false),
            ("Content-Length:\r\n\r\n", false), ("X-Content-Length: 9\r\n\r\n", false), ("", false),
        ])
    func lengthsBeyondAllBoundsAreNumbers(_ header: String, _ isNumber: Bool) {
        #expect(RequestFraming.announcesTooMuch(ByteBuffer(string: header)) == isNumber)
    }
}
