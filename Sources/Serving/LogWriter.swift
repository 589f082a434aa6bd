import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Writes log lines to a file descriptor, in batches, on a thread of its own: whoever reads them may
/// stop reading, and no request waits for that.
///
/// What waits is bounded. Lines of the access log are dropped first, beyond `Bounds.access`; what else
/// is logged, audit lines above all, has sixteen times the room. What was dropped is counted, and the
/// count is written as a line of its own as soon as there is room.
final class LogWriter: Sendable {
    /// How many bytes may wait.
    struct Bounds: Sendable {
        var access = 4 << 20
        var all = 64 << 20
    }

    private struct Backlog {
        var bytes: [UInt8] = []
        /// Bytes that are being written.
        var writing = 0
        var dropped = 0
        /// Whether somebody is going to write what waits.
        var isScheduled = false
    }

    static let standardError = LogWriter(descriptor: STDERR_FILENO)

    /// How long a first line waits for others that are written with it.
    private static let pause = DispatchTimeInterval.milliseconds(5)

    private let descriptor: CInt
    private let bounds: Bounds
    private let backlog = Mutex(Backlog())
    private let queue = DispatchQueue(label: "doornail.log")

    init(descriptor: CInt, bounds: Bounds = Bounds()) {
        self.descriptor = descriptor
        self.bounds = bounds
    }

    /// Takes a line, which ends with a line feed.
    func write(_ line: some Collection<UInt8>, isAccess: Bool) {
        let limit = isAccess ? bounds.access : bounds.all
        let isFirst = backlog.withLock { backlog in
            guard backlog.bytes.count + backlog.writing + line.count <= limit else {
                backlog.dropped += 1
                return false
            }
            backlog.bytes.append(contentsOf: line)
            defer { backlog.isScheduled = true }
            return !backlog.isScheduled
        }
        if isFirst { schedule() }
    }

    /// Whether nothing waits or is being written.
    var isIdle: Bool {
        backlog.withLock { $0.bytes.isEmpty && $0.writing == 0 && $0.dropped == 0 }
    }

    /// Waits until what was taken is written, a second at most.
    func flush() {
        let written = DispatchSemaphore(value: 0)
        queue.async {
            while self.writeBatch() {}
            written.signal()
        }
        _ = written.wait(timeout: .now() + .seconds(1))
    }

    private func schedule() {
        queue.asyncAfter(deadline: .now() + Self.pause) {
            // One batch each time: to write whatever has come meanwhile would be a system call a line.
            _ = self.writeBatch()
            let isDone = self.backlog.withLock { backlog in
                backlog.isScheduled = !backlog.bytes.isEmpty || backlog.dropped > 0
                return !backlog.isScheduled
            }
            if !isDone { self.schedule() }
        }
    }

    /// Writes what waits; false where nothing did.
    private func writeBatch() -> Bool {
        let (bytes, dropped) = backlog.withLock { backlog in
            let batch = (backlog.bytes, backlog.dropped)
            backlog.bytes = []
            backlog.writing = max(batch.0.count, batch.1 > 0 ? 1 : 0)
            backlog.dropped = 0
            return batch
        }
        writeAll(bytes)
        if dropped > 0 {
            writeAll(Array("doornail: \(dropped) log lines were dropped\n".utf8))
        }
        backlog.withLock { backlog in
            backlog.writing = 0
            // The next batch is about as large.
            if backlog.bytes.isEmpty { backlog.bytes.reserveCapacity(min(bytes.count, 1 << 18)) }
        }
        return !bytes.isEmpty || dropped > 0
    }

    private func writeAll(_ bytes: [UInt8]) {
        var start = 0
        while start < bytes.count {
            let written = unsafe bytes[start...].withUnsafeBytes { rest in
                // `rest` is valid for this call and `write` keeps no pointer to it.
                unsafe systemWrite(descriptor, rest.baseAddress, rest.count)
            }
            if written > 0 {
                start += written
            } else if errno == EAGAIN {
                // Another process made the descriptor one that does not wait.
                var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe systemPoll(&poll, 1, 1000)
            } else if errno != EINTR {
                // Nobody reads any more: lines lost are better than a server stopped.
                return
            }
        }
    }
}

/// The system's `write`, which inside ``LogWriter`` is hidden by its own.
private func systemWrite(_ descriptor: CInt, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    unsafe write(descriptor, bytes, count)
}

private func systemPoll(_ polled: UnsafeMutablePointer<pollfd>, _ count: UInt, _ wait: CInt) -> CInt
{
    unsafe poll(polled, nfds_t(count), wait)
}
