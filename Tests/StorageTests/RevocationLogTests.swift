import Lease
import OAuth
import Storage
import TestSupport
import Testing

@Suite struct RevocationLogTests {
    @Test func itIsReadFromANumberOn() async throws {
        try await StoreFixture.with { fixture in
            try await fixture.admitSecret()
            let client = try await fixture.client()
            let tokens = try await [fixture.token(of: client), fixture.token(of: client)]
            for token in tokens { _ = try await fixture.end(token) }
            try await fixture.sql("UPDATE clients SET name = 'other'")

            let all = try await fixture.store.revocationLog(after: 0, limit: 10)
            #expect(all.endOfLog == 3)
            #expect(
                all.logID.description
                    == (try await fixture.value(
                        "SELECT log_id FROM revocation_clock")))
            #expect(all.records.map(\.entry.number) == [1, 2, 3])
            #expect(all.records.map(\.entry.kind) == [.token, .token, .client])
            #expect(all.records.map(\.entry.subject) == [tokens[0].id, tokens[1].id, client.id])
            #expect(all.records.map(\.isEnd) == [true, true, false])
            #expect(all.records[1].cause == StoreFixture.cause)
            #expect(all.records.allSatisfy { $0.keyID == nil })

            let page = try await fixture.store.revocationLog(after: 1, limit: 1)
            #expect(page.records.map(\.entry.number) == [2])
            #expect(page.endOfLog == 3)
            let end = try await fixture.store.revocationLog(after: 3, limit: 10)
            #expect(end.records.isEmpty && end.endOfLog == 3)
        }
    }
}
