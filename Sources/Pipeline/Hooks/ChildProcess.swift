internal import CSpawn
internal import Foundation

/// A program that is run for something that happened.
///
/// It starts as if from a shell: no signal blocked or ignored although the daemon's threads do both, no descriptor of the
/// daemon's, its output nowhere, and only the environment that it is given. It leads a process group of its own, so that
/// nothing of it outlives a kill.
struct ChildProcess {
    enum Ending: Equatable {
        case exited(Int32)
        case killedBy(signal: Int32)
        case tookTooLong
    }

    /// A call that failed, with `errno`'s meaning.
    struct Failure: Error, CustomStringConvertible {
        let code: Int32
        var description: String { String(cString: strerror(code)) }
    }

    private let pid: pid_t

    /// - Parameters:
    ///   - words: The program, looked for in PATH, and its arguments.
    ///   - environment: All that the program gets of it; PATH is looked up in the daemon's own.
    ///   - input: A descriptor that becomes the program's standard input.
    init(_ words: [String], environment: [String: String], input: Int32) throws(Failure) {
        let nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC)
        guard nowhere >= 0 else { throw Failure(code: errno) }
        defer { close(nowhere) }
        let arguments = words.map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in arguments + variables { free(text) } }
        let start = hcq_start(input: input, output: nowhere, errors: nowhere, directory: nil, leads_group: true)
        var pid: pid_t = 0
        let code = hcq_spawn(&pid, start, arguments, variables)
        guard code == 0 else { throw Failure(code: code) }
        self.pid = pid
    }

    /// Waits for the end, at most `seconds`; then everything of the program is killed.
    func wait(seconds: Double) -> Ending {
        let deadline = monotonicSeconds() + seconds
        var pause: UInt32 = 500
        while true {
            var status: Int32 = 0
            let found = waitpid(pid, &status, WNOHANG)
            if found == pid {
                let ending = hcq_ending(status)
                return ending < 0 ? .killedBy(signal: -ending) : .exited(ending)
            }
            if found < 0, errno != EINTR { return .exited(0) }  // somebody else has waited for it
            if monotonicSeconds() >= deadline {
                kill(-pid, SIGKILL)
                while waitpid(pid, &status, 0) < 0, errno == EINTR {}
                return .tookTooLong
            }
            usleep(pause)
            pause = min(2 * pause, 20_000)
        }
    }
}
