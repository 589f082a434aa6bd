import Cluster
import Lease
import OAuth
import Postgres
import Storage
import Testing

/// Which answers of the database are certain for a node.
@Suite struct LeaseAuthorityTests {
    static let first = Identifier(high: 1, low: 1)
    static let second = Identifier(high: 1, low: 2)

    static func primary(
        timeline: Int32 = 3, system: Int64 = 7, isRecovering: Bool = false, at seconds: Int64 = 1000
    ) -> Primary {
        Primary(
            isRecovering: isRecovering, systemIdentifier: system, timeline: timeline,
            now: PostgresTime(microseconds: seconds * 1_000_000))
    }

    private func grant(
        _ authority: LeaseAuthority, _ incarnation: Identifier = Self.first,
        by primary: Primary = Self.primary()
    ) {
        authority.gate.grant(
            incarnation, of: primary.reign, at: primary.now.microseconds, sentAt: .now,
            until: .now + .seconds(600))
    }

    /// Runs a gate beside a closure.
    private func watched(
        _ gate: LeaseGate, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await gate.watch() }
            group.addTask {
                // Nobody waits at a gate before it is watched.
                while !gate.isWatched { try await Task.sleep(for: .milliseconds(1)) }
                try await body()
            }
            try await group.next()
            group.cancelAll()
        }
    }

    @Test func provesWhatTheLeasesPrimarySaid() async throws {
        let authority = LeaseAuthority()
        grant(authority)
        try await authority.prove(Self.primary(at: 5), by: .now + .seconds(60))
    }

    @Test func withoutALeaseNothingIsProven() async throws {
        let authority = LeaseAuthority()
        try await watched(authority.gate) {
            try authority.newest.check(Self.primary())
            await #expect(throws: StoreError.self) {
                try await authority.prove(Self.primary(), by: .now + .milliseconds(50))
            }
        }
    }

    @Test(arguments: [
        primary(timeline: 2), primary(system: 8), primary(isRecovering: true),
        primary(timeline: 0, isRecovering: true),
    ])
    func whatProvesNothing(answered: Primary) async throws {
        let authority = LeaseAuthority()
        try authority.newest.check(Self.primary())
        grant(authority)
        #expect(throws: StoreError.self) { try authority.newest.check(answered) }
        await #expect(throws: StoreError.self) {
            try await authority.prove(answered, by: .now + .seconds(60))
        }
        // It has not forgotten the right one.
        try await authority.prove(Self.primary(), by: .now + .seconds(60))
    }

    /// The pool met the new primary first: its answer counts once the lease is of its reign.
    @Test func aNewerReignWaitsForItsLease() async throws {
        let authority = LeaseAuthority()
        try await watched(authority.gate) {
            try authority.newest.check(Self.primary())
            grant(authority)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await authority.prove(Self.primary(timeline: 4), by: .now + .seconds(60))
                    #expect(authority.gate.held(at: .now)?.reign.timeline == 4)
                }
                try await eventually {
                    do {
                        try authority.newest.check(Self.primary())
                        return false
                    } catch {
                        return true
                    }
                }
                // The lease of the older reign is still there, and good for nothing new.
                grant(authority)
                await Task.yield()
                grant(authority, Self.second, by: Self.primary(timeline: 4))
                try await group.waitForAll()
            }
            await #expect(throws: StoreError.self) {
                try await authority.prove(Self.primary(), by: .now + .seconds(60))
            }
        }
    }

    @Test func aNewerReignsLeaseThatNeverComes() async throws {
        let authority = LeaseAuthority()
        try await watched(authority.gate) {
            grant(authority)
            await #expect(throws: StoreError.self) {
                try await authority.prove(
                    Self.primary(timeline: 4), by: .now + .milliseconds(100))
            }
        }
    }

    /// While an answer of the old primary waits for a lease, the new one is heard.
    @Test func anOldAnswerThatWaited() async throws {
        let authority = LeaseAuthority()
        try await watched(authority.gate) {
            try authority.newest.check(Self.primary())
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await #expect(throws: StoreError.self) {
                        try await authority.prove(Self.primary(), by: .now + .seconds(60))
                    }
                }
                await Task.yield()
                try authority.newest.check(Self.primary(timeline: 4))
                grant(authority, Self.second, by: Self.primary(timeline: 4))
                try await group.waitForAll()
            }
        }
    }
}
