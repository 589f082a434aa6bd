/// A Swift type that travels in PostgreSQL's binary format.
package protocol PostgresValue: Sendable {
    /// The object id of its PostgreSQL type (`pg_type.oid`; those of built-in types are fixed).
    static var oid: UInt32 { get }
    /// A value for rows that are built only to learn which types they read.
    static var sample: Self { get }
    /// Appends the binary form; returns false, with nothing appended, for null.
    func encode(into bytes: inout [UInt8]) -> Bool
    static func decode(_ bytes: Span<UInt8>) throws(PostgresError) -> Self
    static func decodeNull() throws(PostgresError) -> Self
}

extension PostgresValue {
    package static func decodeNull() throws(PostgresError) -> Self {
        throw .undecodable("null where a \(Self.self) was expected")
    }
}

extension Optional: PostgresValue where Wrapped: PostgresValue {
    package static var oid: UInt32 { Wrapped.oid }
    package static var sample: Wrapped? { nil }

    package func encode(into bytes: inout [UInt8]) -> Bool {
        guard let self else { return false }
        return self.encode(into: &bytes)
    }

    package static func decode(_ bytes: Span<UInt8>) throws(PostgresError) -> Wrapped? {
        try Wrapped.decode(bytes)
    }

    package static func decodeNull() throws(PostgresError) -> Wrapped? { nil }
}

extension Bool: PostgresValue {
    package static var oid: UInt32 { 16 }
    package static var sample: Bool { false }

    package func encode(into bytes: inout [UInt8]) -> Bool {
        bytes.append(self ? 1 : 0)
        return true
    }

    package static func decode(_ bytes: Span<UInt8>) throws(PostgresError) -> Bool {
        guard bytes.count == 1 else { throw .undecodable("\(bytes.count) bytes for a boolean") }
        return bytes[0] != 0
    }
}

extension Int16: PostgresInteger {
    package static var oid: UInt32 { 21 }
}

extension Int32: PostgresInteger {
    package static var oid: UInt32 { 23 }
}

extension Int64: PostgresInteger {
    package static var oid: UInt32 { 20 }
}

/// An integer in network byte order.
package protocol PostgresInteger: PostgresValue, FixedWidthInteger {}

extension PostgresInteger {
    package static var sample: Self { 0 }

    package func encode(into bytes: inout [UInt8]) -> Bool {
        bytes.append(bigEndian: self)
        return true
    }

    package static func decode(_ bytes: Span<UInt8>) throws(PostgresError) -> Self {
        guard bytes.count == Self.bitWidth / 8 else {
            throw .undecodable("\(bytes.count) bytes for a \(Self.self)")
        }
        return Self(bigEndianBytes: bytes)
    }
}

extension String: PostgresValue {
    package static var oid: UInt32 { 25 }
    package static var sample: String { "" }

    package func encode(into bytes: inout [UInt8]) -> Bool {
        bytes.append(contentsOf: utf8)
        return true
    }

    package static func decode(_ bytes: Span<UInt8>) throws(PostgresError) -> String {
        do {
            return String(copying: try UTF8Span(validating: bytes))
        } catch {
            throw .undecodable("text that is not UTF-8")
        }
    }
}

extension FixedWidthInteger {
    /// The integer that the bytes are in network order; there are as many as it has.
    init(bigEndianBytes bytes: Span<UInt8>) {
        var value: Self = 0
        for index in bytes.indices {
            value = (value << 8) | Self(truncatingIfNeeded: bytes[index])
        }
        self = value
    }
}

extension [UInt8] {
    mutating func append<Integer: FixedWidthInteger>(bigEndian value: Integer) {
        var shift = Integer.bitWidth
        while shift > 0 {
            shift -= 8
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
