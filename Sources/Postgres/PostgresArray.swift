/// A type of which there are arrays in PostgreSQL.
///
/// `UInt8` is one whose "array" is a bytea, since Swift gives `[T]` one conformance only.
package protocol PostgresElement: Sendable {
    static var arrayOID: UInt32 { get }
    static func encode(_ array: [Self], into bytes: inout [UInt8])
    static func decode(array bytes: Span<UInt8>) throws(PostgresError) -> [Self]
}

extension Array: PostgresValue where Element: PostgresElement {
    package static var oid: UInt32 { Element.arrayOID }
    package static var sample: [Element] { [] }

    package func encode(into bytes: inout [UInt8]) -> Bool {
        Element.encode(self, into: &bytes)
        return true
    }

    package static func decode(_ bytes: Span<UInt8>) throws(PostgresError) -> [Element] {
        try Element.decode(array: bytes)
    }
}

extension UInt8: PostgresElement {
    package static var arrayOID: UInt32 { 17 }

    package static func encode(_ array: [UInt8], into bytes: inout [UInt8]) {
        bytes.append(contentsOf: array)
    }

    package static func decode(array bytes: Span<UInt8>) throws(PostgresError) -> [UInt8] {
        [UInt8](copying: bytes)
    }
}

extension Bool: PostgresElement {
    package static var arrayOID: UInt32 { 1000 }
}

extension Int16: PostgresElement {
    package static var arrayOID: UInt32 { 1005 }
}

extension Int32: PostgresElement {
    package static var arrayOID: UInt32 { 1007 }
}

extension Int64: PostgresElement {
    package static var arrayOID: UInt32 { 1016 }
}

extension String: PostgresElement {
    package static var arrayOID: UInt32 { 1009 }
}

extension PostgresUUID: PostgresElement {
    package static var arrayOID: UInt32 { 2951 }
}

extension PostgresTime: PostgresElement {
    package static var arrayOID: UInt32 { 1185 }
}

extension Array: PostgresElement where Element == UInt8 {
    package static var arrayOID: UInt32 { 1001 }
}

extension Optional: PostgresElement where Wrapped: PostgresElement & PostgresValue {
    package static var arrayOID: UInt32 { Wrapped.arrayOID }
}

/// The binary form of a one-dimensional array: dimensions, whether there are nulls, the element's
/// type; the dimension's size and lower bound; for each element its length (-1: null) and bytes.
extension PostgresElement where Self: PostgresValue {
    package static func encode(_ array: [Self], into bytes: inout [UInt8]) {
        bytes.append(bigEndian: Int32(array.isEmpty ? 0 : 1))
        let flagOffset = bytes.count
        bytes.append(bigEndian: Int32(0))
        bytes.append(bigEndian: oid)
        guard !array.isEmpty else { return }
        bytes.append(bigEndian: Int32(clamping: array.count))
        bytes.append(bigEndian: Int32(1))
        for element in array {
            let lengthOffset = bytes.count
            bytes.append(bigEndian: Int32(-1))
            guard element.encode(into: &bytes) else {
                bytes[flagOffset + 3] = 1
                continue
            }
            let length = UInt32(clamping: bytes.count - lengthOffset - 4)
            for index in 0..<4 {
                bytes[lengthOffset + index] = UInt8(
                    truncatingIfNeeded: length >> (24 - 8 * UInt32(index)))
            }
        }
    }

    package static func decode(array bytes: Span<UInt8>) throws(PostgresError) -> [Self] {
        var offset = 0
        func take(_ count: Int) throws(PostgresError) -> Range<Int> {
            guard count >= 0, count <= bytes.count - offset else {
                throw .undecodable("an array that ends too early")
            }
            defer { offset += count }
            return offset..<offset + count
        }
        func takeInteger() throws(PostgresError) -> Int {
            Int(Int32(bigEndianBytes: bytes.extracting(try take(4))))
        }

        let dimensions = try takeInteger()
        _ = try takeInteger()
        guard try takeInteger() == Int(oid) else {
            throw .undecodable("an array of another type than \(Self.self)")
        }
        guard dimensions != 0 else { return [] }
        guard dimensions == 1 else { throw .undecodable("an array of \(dimensions) dimensions") }
        let count = try takeInteger()
        _ = try takeInteger()
        var array: [Self] = []
        array.reserveCapacity(min(count, bytes.count))
        for _ in 0..<max(count, 0) {
            let length = try takeInteger()
            if length == -1 {
                array.append(try decodeNull())
            } else {
                array.append(try decode(bytes.extracting(try take(length))))
            }
        }
        return array
    }
}

extension [UInt8] {
    /// A copy of the bytes.
    init(copying bytes: Span<UInt8>) {
        self.init()
        reserveCapacity(bytes.count)
        for index in bytes.indices { append(bytes[index]) }
    }
}
