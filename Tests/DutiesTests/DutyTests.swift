import Duties
import Logging
import Synchronization
import Testing

@Suite struct DutyTests {
    struct Failure: Error, CustomStringConvertible {
        let number: Int
        var description: String { "failure \(number)" }
    }

    /// Keeps what was logged.
    private final class Log: Sendable {
        let lines = Mutex<[String]>([])

        var logger: Logger {
            var logger = Logger(label: "test") { _ in Handler(log: self) }
            logger.logLevel = .trace
            return logger
        }

        struct Handler: LogHandler {
            let log: Log
            var metadata: Logger.Metadata = [:]
            var logLevel: Logger.Level = .trace

            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { metadata[key] }
                set { metadata[key] = newValue }
            }

            func log(event: LogEvent) {
                let error = event.metadata?["error"].map { "\($0)" } ?? ""
                log.lines.withLock { $0.append("\(event.level) \(event.message): \(error)") }
            }
        }
    }

    private func duty(_ log: Log) -> Duty {
        Duty(
            "test", .every(.milliseconds(1)), failing: "it failed", level: .warning,
            logger: log.logger)
    }

    @Test func itIsDoneAgainUntilItIsOver() async {
        let log = Log()
        let duty = duty(log)
        var runs = 0
        await duty.run {
            runs += 1
            switch runs {
            case 2, 3, 5: throw Failure(number: runs)
            case 6: return .over
            default: return .again
            }
        }
        #expect(runs == 6)
        #expect(duty.status.successes == 3)
        #expect(duty.status.failures == 0)
        #expect(duty.status.lastError == "failure 5")
        // The first failure in a row is told loudly, and those after it are not.
        #expect(
            log.lines.withLock { $0 } == [
                "warning it failed: failure 2", "debug it failed: failure 3",
                "warning it failed: failure 5",
            ])
    }

    @Test func itEndsWithItsTask() async {
        let duty = duty(Log())
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await duty.run { .again } }
            while duty.status.successes < 3 { await Task.yield() }
            group.cancelAll()
        }
        #expect(duty.status.lastError == nil)
    }

    @Test func untilItIsDone() async throws {
        let log = Log()
        let duty = duty(log)
        var attempts = 0
        let value = try await duty.untilDone(passing: { $0 is Failure }) {
            attempts += 1
            if attempts < 3 { throw Failure(number: attempts) }
            return "done"
        }
        #expect(value == "done" && attempts == 3)
        #expect(log.lines.withLock(\.count) == 2)
    }

    @Test func aFailureThatDoesNotPass() async {
        struct Other: Error {}
        await #expect(throws: Other.self) {
            try await duty(Log()).untilDone(passing: { $0 is Failure }) { throw Other() }
        }
    }
}
