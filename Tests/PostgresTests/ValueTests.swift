import Postgres
import TestSupport
import Testing

@Suite("Values both ways, at their limits and null")
struct ValueTests {
    /// Sends a value and reads it back, together with PostgreSQL's own idea of it.
    func roundTrip<Value: PostgresValue & Equatable>(
        _ cases: [(Value, String?)], as type: String,
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        try await TestDatabase.with { database in
            let same = Statement<One<Value>, Value>("same", "SELECT $1::\(type)")
            let text = Statement<One<String?>, Value>("text", "SELECT ($1::\(type))::text")
            let connection = try await database.connect(statements: [same, text])
            try await connection.script("SET TIME ZONE 'UTC'", deadline: .soon)
            for (value, expected) in cases {
                let back = try await connection.execute(same, value, deadline: .soon)
                #expect(back.map(\.value) == [value], sourceLocation: location)
                let written = try await connection.execute(text, value, deadline: .soon)
                #expect(written.map(\.value) == [expected], sourceLocation: location)
            }
            let described = try await connection.describe("same")
            #expect(described.parameters == same.parameterTypes, sourceLocation: location)
            #expect(described.columns == same.columnTypes, sourceLocation: location)
            #expect(same.columnTypes == [Value.oid], sourceLocation: location)
        }
    }

    @Test func booleans() async throws {
        try await roundTrip([(true, "true"), (false, "false")], as: "boolean")
        try await roundTrip([(true as Bool?, "true"), (nil, nil)], as: "boolean")
        try await roundTrip([([true, false], "{t,f}"), ([], "{}")], as: "boolean[]")
    }

    @Test func integers() async throws {
        try await roundTrip(
            [(Int16.min, "-32768"), (0, "0"), (-1, "-1"), (.max, "32767")], as: "smallint")
        try await roundTrip(
            [(Int32.min, "-2147483648"), (0, "0"), (.max, "2147483647")], as: "integer")
        try await roundTrip(
            [
                (Int64.min, "-9223372036854775808"), (0, "0"), (-1, "-1"),
                (.max, "9223372036854775807"),
            ], as: "bigint")
        try await roundTrip([(nil as Int64?, nil), (7, "7")], as: "bigint")
        try await roundTrip([([Int16.min, 0, .max], "{-32768,0,32767}")], as: "smallint[]")
        try await roundTrip([([Int32.min, .max], "{-2147483648,2147483647}")], as: "integer[]")
        try await roundTrip([([Int64](), "{}"), ([1], "{1}")], as: "bigint[]")
        try await roundTrip([([1, nil, 3] as [Int64?], "{1,NULL,3}")], as: "bigint[]")
        try await roundTrip([([1, 2] as [Int16]?, "{1,2}"), (nil, nil)], as: "smallint[]")
    }

    @Test func text() async throws {
        let long = String(repeating: "ä", count: 100_000)
        try await roundTrip(
            [("", ""), ("plain", "plain"), ("é😀\r\n\t\u{301}", "é😀\r\n\t\u{301}"), (long, long)],
            as: "text")
        try await roundTrip([(nil as String?, nil), ("", "")], as: "text")
        try await roundTrip(
            [(["", "a,b", "\"", "NULL"], #"{"","a,b","\"","NULL"}"#), ([], "{}")], as: "text[]")
        try await roundTrip([(["a", nil] as [String?], "{a,NULL}")], as: "text[]")
    }

    @Test func bytes() async throws {
        let all = (UInt8.min...UInt8.max).map { $0 }
        let hex =
            "\\x" + all.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        try await roundTrip([([UInt8](), "\\x"), ([0], "\\x00"), (all, hex)], as: "bytea")
        try await roundTrip([(nil as [UInt8]?, nil), ([], "\\x")], as: "bytea")
        try await roundTrip(
            [([[], [0], [255]] as [[UInt8]], #"{"\\x","\\x00","\\xff"}"#)], as: "bytea[]")
    }

    @Test func uuids() async throws {
        let text = "01234567-89ab-cdef-fedc-ba9876543210"
        let uuid = try #require(PostgresUUID(text))
        let least = PostgresUUID(high: 0, low: 0)
        let most = PostgresUUID(high: .max, low: .max)
        try await roundTrip(
            [
                (uuid, text), (least, "00000000-0000-0000-0000-000000000000"),
                (most, "ffffffff-ffff-ffff-ffff-ffffffffffff"),
            ], as: "uuid")
        try await roundTrip([(nil as PostgresUUID?, nil)], as: "uuid")
        try await roundTrip([([uuid], "{\(text)}")], as: "uuid[]")
        try await roundTrip([([uuid, nil], "{\(text),NULL}")], as: "uuid[]")
        #expect(uuid.description == text)
        #expect(PostgresUUID(text.uppercased()) == uuid)
    }

    @Test(arguments: [
        "", "01234567-89ab-cdef-fedc-ba987654321", "01234567-89ab-cdef-fedc-ba98765432101",
        "0123456789abcdeffedcba9876543210", "g1234567-89ab-cdef-fedc-ba9876543210",
        "0123456-789ab-cdef-fedc-ba9876543210", "01234567-89ab-cdef-fedc-ba987654321\u{661}",
        "{01234567-89ab-cdef-fedc-ba987654321}",
    ])
    func noUUID(text: String) {
        #expect(PostgresUUID(text) == nil)
    }

    @Test func times() async throws {
        try await roundTrip(
            [
                (PostgresTime(microseconds: 0), "1970-01-01 00:00:00+00"),
                (PostgresTime(microseconds: -1), "1969-12-31 23:59:59.999999+00"),
                (
                    PostgresTime(microseconds: 1_700_000_000_123_456),
                    "2023-11-14 22:13:20.123456+00"
                ),
                (PostgresTime(microseconds: .max - 1), "294247-01-10 04:00:54.775806+00"),
                (.distantFuture, "infinity"), (.distantPast, "-infinity"),
            ], as: "timestamptz")
        try await roundTrip([(nil as PostgresTime?, nil)], as: "timestamptz")
        let zero = PostgresTime(microseconds: 0)
        try await roundTrip([([zero], #"{"1970-01-01 00:00:00+00"}"#)], as: "timestamptz[]")
        try await roundTrip(
            [([nil, zero], #"{NULL,"1970-01-01 00:00:00+00"}"#)], as: "timestamptz[]")
    }

    @Test func timesBeyondTheRangeSaturate() async throws {
        try await TestDatabase.with { database in
            let text = Statement<One<String>, PostgresTime>("text", "SELECT $1::timestamptz::text")
            let last = Statement<One<PostgresTime>>(
                "last", "SELECT '294276-12-31 23:59:59 UTC'::timestamptz")
            let connection = try await database.connect()
            let early = try await connection.execute(
                text, PostgresTime(microseconds: .min + 1), deadline: .soon)
            #expect(early.map(\.value) == ["-infinity"])
            let late = try await connection.execute(last, deadline: .soon)
            #expect(late.map(\.value) == [.distantFuture])
        }
    }

    @Test func aWrongTypeIsAnError() async throws {
        try await TestDatabase.with { database in
            let connection = try await database.connect()
            let number = Statement<One<Int64>>("number", "SELECT 1::integer")
            #expect(
                await failure { () async throws(PostgresError) in
                    try await connection.execute(number, deadline: .soon)
                }?.isUndecodable == true)
            let null = Statement<One<Int64>>("null", "SELECT NULL::bigint")
            #expect(
                await failure { () async throws(PostgresError) in
                    try await connection.execute(null, deadline: .soon)
                }?.isUndecodable == true)
            let missing = Statement<One<Int64>>("missing", "SELECT")
            #expect(
                await failure { () async throws(PostgresError) in
                    try await connection.execute(missing, deadline: .soon)
                }?.isUndecodable == true)
            let surplus = Statement<One<Int64>>("surplus", "SELECT 1::bigint, 2::bigint")
            #expect(
                await failure { () async throws(PostgresError) in
                    try await connection.execute(surplus, deadline: .soon)
                }?.isUndecodable == true)
            let nested = Statement<One<[Int32]>>("nested", "SELECT '{{1,2},{3,4}}'::integer[]")
            #expect(
                await failure { () async throws(PostgresError) in
                    try await connection.execute(nested, deadline: .soon)
                }?.isUndecodable == true)
            // None of it harms the connection.
            let rows = try await connection.execute(Sample.echo, "still there", deadline: .soon)
            #expect(rows.map(\.value) == ["still there"])
        }
    }
}
