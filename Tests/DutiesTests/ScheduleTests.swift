import Duties
import Testing

@Suite struct ScheduleTests {
    static let schedule = Schedule(
        rest: .seconds(20) ... .seconds(40), retry: .seconds(1) ... .seconds(10))

    @Test(
        arguments: [
            (schedule, 0, 0, .seconds(20)), (schedule, 0, 0.5, .seconds(30)),
            (schedule, 0, 0.75, .seconds(35)),
            (schedule, 1, 0.5, .seconds(1)), (schedule, 2, 0.5, .seconds(2)),
            (schedule, 3, 0, .seconds(4)), (schedule, 4, 0, .seconds(8)),
            (schedule, 5, 0, .seconds(10)), (schedule, 1000, 0.99, .seconds(10)),
            (schedule, .max, 0, .seconds(10)),
            (.every(.milliseconds(500)), 0, 0.9, .milliseconds(500)),
            (.every(.milliseconds(500)), 1, 0.9, .milliseconds(500)),
            (.every(.milliseconds(500)), 9, 0.9, .milliseconds(500)),
        ] as [(Schedule, Int, Double, Duration)])
    func whenTheNextOneIs(
        schedule: Schedule, failures: Int, chance: Double, pause: Duration
    ) {
        #expect(schedule.pause(failures: failures, chance: chance) == pause)
    }
}
