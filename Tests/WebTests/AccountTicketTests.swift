import OAuth
import Testing
import Web

/// What the account page says of an end, and for how long.
@Suite struct AccountTicketTests {
    private static let subject = Identifier(high: 1, low: 2)
    private static let binding: [UInt8] = Array(0..<32)

    /// A minute long, so that nobody reads old news from the browser's history.
    @Test(arguments: [
        (0, true), (Limits.noticeSeconds - 1, true), (Limits.noticeSeconds, false),
        (86_400, false),
        // The next primary's clock may be behind.
        (-5, true),
    ])
    func isToldForAWhile(age: Int64, isTold: Bool) {
        let endedAt = UnixTime(seconds: 1_800_000_000)
        let ticket = AccountTicket(subject: Self.subject, endedAt: endedAt)
        let read = AccountTicket(
            ticket.payload(for: Self.binding), for: Self.binding, at: endedAt.adding(seconds: age))
        #expect(read == (isTold ? ticket : nil))
    }

    /// To whom it is bound, and whole.
    @Test func isToldToOneAlone() {
        let endedAt = UnixTime(seconds: 1_800_000_000)
        let payload = AccountTicket(subject: Self.subject, endedAt: endedAt)
            .payload(for: Self.binding)
        let other = Self.binding.map { $0 ^ 1 }
        #expect(AccountTicket(payload, for: other, at: endedAt) == nil)
        for cut in [0, 16, 24, payload.count - 1] {
            let rest = Array(payload.prefix(cut))
            #expect(AccountTicket(rest, for: Self.binding, at: endedAt) == nil)
        }
        #expect(AccountTicket(payload + [0], for: Self.binding, at: endedAt) == nil)
    }
}
