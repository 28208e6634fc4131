internal import CSpawn
internal import Foundation

/// A program that is run for something that happened.
///
/// It starts as if from a shell: no signal blocked or ignored although the daemon's threads do both, no descriptor of the
/// daemon's, its output nowhere, and only the environment that it is given. It leads a process group of its own, so that nothing of it outlives a kill.
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
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        for output: Int32 in [1, 2] { posix_spawn_file_actions_addopen(&actions, output, "/dev/null", O_WRONLY, 0) }
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var arguments = words.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, words[0], &actions, &attributes, &arguments, &variables)
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
            if found == pid { return Self.ending(status) }
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

    /// As `WIFEXITED` and its like, which are macros.
    private static func ending(_ status: Int32) -> Ending {
        status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .killedBy(signal: status & 0x7f)
    }
}
