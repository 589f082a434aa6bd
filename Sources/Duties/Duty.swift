package import Logging
import Synchronization

/// Something that a process does again and again, and how it goes.
package final class Duty: Sendable {
    package struct Status: Sendable, Equatable {
        package fileprivate(set) var successes = 0
        /// How often it failed since it last went well.
        package fileprivate(set) var failures = 0
        package fileprivate(set) var lastError: String?
    }

    /// Whether it is to be done again.
    package enum Outcome: Sendable {
        case again, over
    }

    package let name: String
    private let schedule: Schedule
    private let complaint: String
    private let level: Logger.Level
    private let levelAgain: Logger.Level
    private let logger: Logger
    private let state = Mutex(Status())

    /// - Parameters:
    ///   - complaint: what is logged where it fails.
    ///   - level: of the first failure after it went well; those that follow are of `levelAgain`.
    package init(
        _ name: String, _ schedule: Schedule, failing complaint: String,
        level: Logger.Level = .warning, levelAgain: Logger.Level = .debug, logger: Logger
    ) {
        self.name = name
        self.schedule = schedule
        self.complaint = complaint
        self.level = level
        self.levelAgain = levelAgain
        self.logger = logger
    }

    package var status: Status { state.withLock { $0 } }

    /// Rests, and does it, again and again, until it is over or the task is cancelled.
    package func run(_ work: () async throws -> Outcome) async {
        while !Task.isCancelled {
            do {
                try await rest()
                let outcome = try await work()
                succeeded()
                if case .over = outcome { return }
            } catch is CancellationError {
                return
            } catch {
                failed(error)
            }
        }
    }

    /// Does it at once, and after each failure that may pass once more.
    package func untilDone<Value>(
        passing mayPass: (any Error) -> Bool, _ work: () async throws -> Value
    ) async throws -> Value {
        while true {
            try Task.checkCancellation()
            do {
                let value = try await work()
                succeeded()
                return value
            } catch let error where mayPass(error) {
                failed(error)
            }
            try await rest()
        }
    }

    private func rest() async throws {
        let pause = schedule.pause(
            failures: status.failures, chance: Double.random(in: 0..<1))
        try await Task.sleep(for: pause)
    }

    private func succeeded() {
        state.withLock { status in
            status.successes += 1
            status.failures = 0
        }
    }

    private func failed(_ error: any Error) {
        let isFirst = state.withLock { status in
            status.failures += 1
            status.lastError = "\(error)"
            return status.failures == 1
        }
        logger.log(
            level: isFirst ? level : levelAgain, "\(complaint)", metadata: ["error": "\(error)"])
    }
}
