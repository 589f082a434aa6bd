import Foundation
import Testing

@testable import Serving

/// Lines on their way to a reader that may be slow, or gone.
@Suite struct LogWriterTests {
    private func line(_ text: String) -> [UInt8] { Array("\(text)\n".utf8) }

    private static func lines(_ pipe: Pipe) -> [String] {
        String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            .split(separator: "\n").map(String.init)
    }

    /// Reads on a thread that may be held up.
    private static func reading(_ pipe: Pipe) async -> [String] {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: lines(pipe)) }
        }
    }

    @Test func writesInOrder() throws {
        let pipe = Pipe()
        let writer = LogWriter(descriptor: pipe.fileHandleForWriting.fileDescriptor)
        for number in 0..<1000 { writer.write(line("line \(number)"), isAccess: number % 2 == 0) }
        writer.flush()
        try pipe.fileHandleForWriting.close()
        #expect(Self.lines(pipe) == (0..<1000).map { "line \($0)" })
    }

    /// Lines of the access log go first, what else is logged stays, and how many went is said.
    @Test(arguments: [false, true])
    func dropsWhatNobodyReads(isNonblocking: Bool) async throws {
        let pipe = Pipe()
        let descriptor = pipe.fileHandleForWriting.fileDescriptor
        if isNonblocking {
            #expect(fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0)
        }
        let writer = LogWriter(
            descriptor: descriptor, bounds: .init(access: 1 << 17, all: 1 << 20))
        let filler = String(repeating: "x", count: 1000)
        for number in 0..<400 { writer.write(line("access \(number) \(filler)"), isAccess: true) }
        for number in 0..<400 { writer.write(line("audit \(number) \(filler)"), isAccess: false) }
        // It is read from now on, and everything is there once the writer has come to its end.
        async let found = Self.reading(pipe)
        while !writer.isIdle { try await Task.sleep(for: .milliseconds(5)) }
        try pipe.fileHandleForWriting.close()
        let all = await found
        let access = all.filter { $0.hasPrefix("access") }
        #expect(all.filter { $0.hasPrefix("audit") }.count == 400)
        #expect((1..<400).contains(access.count))
        let said = try #require(all.first { $0.hasPrefix("doornail: ") })
        #expect(said == "doornail: \(400 - access.count) log lines were dropped")
    }

    @Test func aReaderThatIsGoneStopsNobody() throws {
        let pipe = Pipe()
        signal(SIGPIPE, SIG_IGN)
        try pipe.fileHandleForReading.close()
        let writer = LogWriter(descriptor: pipe.fileHandleForWriting.fileDescriptor)
        writer.write(line("nobody hears it"), isAccess: false)
        writer.flush()
        #expect(writer.isIdle)
    }
}
