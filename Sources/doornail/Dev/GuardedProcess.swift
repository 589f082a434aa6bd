import Foundation
import Subprocess
import Synchronization

/// A program that never outlives this process, not even when this process is killed.
///
/// It runs under a small shell, the watchdog, whose standard input is a pipe that only this
/// process holds open. However this process ends, the kernel closes the pipe, and the watchdog
/// stops the program. The watchdog has a session of its own, so that a Ctrl-C in the terminal
/// reaches this process alone, which then stops the program when it has no more use for it.
final class GuardedProcess: Sendable {
    /// What to run, and as whom.
    struct Launch: Sendable {
        /// The program, by its path or, of the system's own, by its name, and its arguments.
        var command: [String]
        /// The user to become; `nil` stays who we are.
        var account: Account?
        /// The file that the program's output is added to; without one it is kept in memory.
        var log = ""
        /// The file that the program reads as its standard input.
        var input = "/dev/null"
        /// The socket folder that goes away with the program.
        var socketFolder = ""
    }

    /// How a program ended.
    struct Outcome: Sendable {
        let succeeded: Bool
        /// "exit code 1", "signal 9" or why it could not be started.
        let reason: String
        /// The last lines that it printed, where they did not go to a log.
        let lastLines: [String]
    }

    private let stopping = Latch()
    private let ended = Latch()
    private let state = Mutex<Outcome?>(nil)

    /// How the program ended; `nil` while it runs.
    var outcome: Outcome? { state.withLock { $0 } }

    /// Starts a program under a watchdog.
    init(_ launch: Launch) {
        // Unstructured, since the program runs on after the function that started it returned.
        // It ends when the program does: by itself, by `stop`, or with this process.
        Task {
            let outcome = await Self.run(launch, until: stopping)
            state.withLock { $0 = outcome }
            ended.open()
        }
    }

    /// Runs a program to its end.
    static func run(_ launch: Launch) async -> Outcome {
        await run(launch, until: Latch())
    }

    /// Asks the program to stop and waits until it has.
    func stop() async {
        stopping.open()
        while outcome == nil { await ended.wait() }
    }

    /// Waits until the program has ended or this task is cancelled.
    func waitUntilExit() async {
        await ended.wait()
    }

    private static func run(_ launch: Launch, until stopping: Latch) async -> Outcome {
        var options = PlatformOptions()
        options.createSession = true
        if let account = launch.account {
            options.userID = account.user
            options.groupID = account.group
            options.supplementaryGroups = []
        }
        let arguments = ["-c", watchdog, "doornail-watchdog"]
        let settings = [launch.socketFolder, launch.log, launch.input]
        do {
            let result = try await Subprocess.run(
                .name("sh"),
                arguments: Arguments(arguments + settings + launch.command),
                environment: environment,
                platformOptions: options,
                input: .inputWriter,
                output: .sequence,
                error: .combinedWithOutput
            ) { execution in
                // Cancelled, and so ended, as soon as the output has ended.
                async let _: Void = {
                    await stopping.wait()
                    try? await execution.standardInputWriter.finish()
                }()
                return await lastLines(of: execution.standardOutput)
            }
            let reason =
                switch result.terminationStatus {
                case .exited(let code): "exit code \(code)"
                case .signaled(let signal): "signal \(signal)"
                }
            return Outcome(
                succeeded: result.terminationStatus.isSuccess, reason: reason,
                lastLines: result.closureResult)
        } catch {
            return Outcome(succeeded: false, reason: "\(error)", lastLines: [])
        }
    }

    /// The last lines of an output, which is read to its end.
    private static func lastLines(of output: SubprocessOutputSequence) async -> [String] {
        var lines: [String] = []
        do {
            for try await line in output.strings() {
                lines.append(line.filter { !$0.isNewline })
                if lines.count > 12 { lines.removeFirst() }
            }
        } catch {
            lines.append("(the output could not be read: \(error))")
        }
        return lines
    }

    /// The variables that programs get: none of ours, since a `PGPORT` would move the server's
    /// port and a `DOORNAIL_SECRET` is nobody's business.
    private static var environment: Environment {
        let ours = ProcessInfo.processInfo.environment
        var theirs: [Environment.Key: String] = ["LC_ALL": "C"]
        theirs["PATH"] = (ours["PATH"].map { $0 + ":" } ?? "") + "/usr/local/bin:/usr/bin:/bin"
        if let libraries = ours["LD_LIBRARY_PATH"] { theirs["LD_LIBRARY_PATH"] = libraries }
        return .custom(theirs)
    }

    /// The watchdog, a POSIX shell script.
    ///
    /// A second shell reads the pipe, so that both ends can be awaited: the program's and ours.
    /// It sends SIGINT (PostgreSQL's fast shutdown), after 10 s SIGQUIT (an immediate one, which
    /// loses nothing that was committed), and goes on where the first shell was killed. The
    /// program also gets SIGINT from the kernel when the first shell dies, where `setpriv` can
    /// ask for that.
    private static let watchdog = """
        folder=$1 log=$2 input=$3
        shift 3
        cd /
        trap '' HUP INT TERM
        exec 3<&0 </dev/null
        if setpriv --pdeathsig INT true 2>/dev/null; then set -- setpriv --pdeathsig INT "$@"; fi
        if [ -n "$log" ]; then
            "$@" <"$input" >>"$log" 2>&1 3<&- &
        else
            "$@" <"$input" 3<&- &
        fi
        program=$!
        clear_folder() {
            if [ -n "$folder" ]; then
                rm -f "$folder"/.s.PGSQL.*
                rmdir "$folder"
            fi
        }
        {
            read -r _ <&3
            kill -INT "$program"
            tenths=0
            while [ "$tenths" -lt 100 ] && kill -0 "$program"; do
                sleep 0.1
                tenths=$((tenths + 1))
            done
            kill -QUIT "$program"
            while kill -0 "$program"; do sleep 0.1; done
            clear_folder
        } >/dev/null 2>&1 &
        reader=$!
        exec 3<&-
        wait "$program"
        code=$?
        kill -KILL "$reader" 2>/dev/null
        clear_folder 2>/dev/null
        exit "$code"
        """
}
