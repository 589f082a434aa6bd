import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A thread that runs the jobs of one actor, one after the other.
///
/// libpq blocks: in poll(2), and in the DNS lookups of its connect calls. On a thread of its own
/// it blocks nobody else, and neither the event loops nor the default executor ever wait for it.
final class ConnectionThread: SerialExecutor {
    private struct Queue {
        var jobs: [UnownedJob] = []
        var isStopped = false
    }

    private let queue = Mutex(Queue())
    private let wakeUp = DispatchSemaphore(value: 0)

    /// Starts the thread; fails when the system grants none.
    init() throws(PostgresError) {
        // Signals are for the threads that await them: none may interrupt this one.
        var all = sigset_t()
        var previous = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &previous)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &previous, nil) }

        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let reference = unsafe Unmanaged.passRetained(self)
        let status = unsafe pthread_create(
            &thread, nil,
            { argument in
                #if canImport(Darwin)
                    let reference = unsafe Unmanaged<ConnectionThread>.fromOpaque(argument)
                #else
                    guard let argument = unsafe argument else { return nil }
                    let reference = unsafe Unmanaged<ConnectionThread>.fromOpaque(argument)
                #endif
                unsafe reference.takeRetainedValue().runJobs()
                return nil
            }, unsafe reference.toOpaque())
        guard status == 0 else {
            unsafe reference.release()
            throw .unavailable("no thread for a connection (error \(status))")
        }
        pthread_detach(thread)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.withLock { $0.jobs.append(job) }
        wakeUp.signal()
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        unsafe UnownedSerialExecutor(ordinary: self)
    }

    /// Lets the thread end after the jobs that it has. Only the actor's deinit calls it, and an
    /// actor that is gone gets no jobs.
    func stop() {
        queue.withLock { $0.isStopped = true }
        wakeUp.signal()
    }

    private func runJobs() {
        while true {
            wakeUp.wait()
            let (jobs, isStopped) = queue.withLock { queue in
                defer { queue.jobs = [] }
                return (queue.jobs, queue.isStopped)
            }
            for job in jobs {
                unsafe job.runSynchronously(on: asUnownedSerialExecutor())
            }
            if isStopped { return }
        }
    }
}
