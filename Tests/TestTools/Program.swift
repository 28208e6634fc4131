import CSpawn
public import Foundation
import Glibc
import Synchronization

/// A program that a test runs: killed with this object, if it has not ended before.
///
/// It begins with no signal blocked and with no descriptor but its three. Foundation's `Process` cannot promise that: what
/// another thread opens while it starts a program, the program keeps open, and if that is another test's pipe, or
/// Foundation's own watch over another program, whoever waits for its end waits for ever.
public final class Program: Sendable {
    /// Where output goes.
    public enum Output: Sendable {
        case nowhere
        /// A file, which is made or begun anew.
        case file(String)
    }

    /// How a program ended and what it printed.
    public struct Outcome: Sendable {
        /// The exit status, or the negative number of the signal that killed it.
        public let status: Int32
        public let output: Data
        public let errors: String

        public var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// A program that cannot be started.
    public struct CannotStart: Error, CustomStringConvertible {
        public let program: String
        public let code: Int32
        public var description: String { "\(program): \(String(cString: strerror(code)))" }
    }

    private let pid: pid_t
    private let ending = Mutex<Int32?>(nil)

    /// Starts it.
    /// - Parameters:
    ///   - program: Looked for in PATH when it has no slash.
    ///   - environment: Added to the test's own.
    ///   - input: A descriptor; nil for nothing to read.
    public init(
        _ program: String, _ arguments: [String] = [], in directory: String? = nil, environment: [String: String] = [:],
        input: Int32? = nil, output: Output = .nowhere, errors: Output = .nowhere
    ) throws {
        var opened: [Int32] = []
        defer { for descriptor in opened { close(descriptor) } }
        func open(_ path: String, _ flags: Int32) throws -> Int32 {
            let descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw CannotStart(program: path, code: errno) }
            opened.append(descriptor)
            return descriptor
        }
        func open(_ output: Output) throws -> Int32 {
            switch output {
            case .nowhere: try open("/dev/null", O_WRONLY)
            case .file(let path): try open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND)
            }
        }
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let (words, settings, folder) = (
            ([program] + arguments).map { strdup($0) } + [nil], variables.map { strdup("\($0)=\($1)") } + [nil],
            directory.flatMap { strdup($0) }
        )
        defer { for text in words + settings + [folder] { free(text) } }
        let start = hcq_start(
            input: try input ?? open("/dev/null", O_RDONLY), output: try open(output), errors: try open(errors),
            directory: folder, leads_group: false)
        var pid: pid_t = 0
        let code = hcq_spawn(&pid, start, words, settings)
        guard code == 0 else { throw CannotStart(program: program, code: code) }
        self.pid = pid
    }

    deinit {
        signal(SIGKILL)
        wait()
    }

    /// Runs a program to its end.
    /// - Parameter seconds: How long it may take; then it is killed.
    public static func run(
        _ program: String, _ arguments: [String] = [], in directory: String? = nil, environment: [String: String] = [:],
        seconds: Double = 600
    ) throws -> Outcome {
        let folder = try TemporaryFolder()
        let (output, errors) = (folder.file("output"), folder.file("errors"))
        let status = try Program(
            program, arguments, in: directory, environment: environment, output: .file(output), errors: .file(errors)
        ).wait(seconds: seconds)
        return Outcome(
            status: status, output: try Data(contentsOf: URL(filePath: output)),
            errors: String(decoding: try Data(contentsOf: URL(filePath: errors)), as: UTF8.self))
    }

    public var isRunning: Bool { status(WNOHANG) == nil }

    /// Sends a signal, if it still runs.
    public func signal(_ number: Int32) {
        ending.withLock { if $0 == nil { kill(pid, number) } }
    }

    /// Waits for the end.
    /// - Parameter seconds: How long at most; then it is killed.
    /// - Returns: The exit status, or the negative number of the signal that killed it: -9 also when time was up.
    @discardableResult
    public func wait(seconds: Double = 120) -> Int32 {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var pause: UInt32 = 500
        while ContinuousClock.now < deadline {
            if let status = status(WNOHANG) { return status }
            usleep(pause)
            pause = min(2 * pause, 20_000)
        }
        signal(SIGKILL)
        return status(0) ?? -SIGKILL
    }

    /// nil while it runs.
    private func status(_ options: Int32) -> Int32? {
        ending.withLock { ending in
            if let ending { return ending }
            var status: Int32 = 0
            var found: pid_t
            repeat { found = waitpid(pid, &status, options) } while found < 0 && errno == EINTR
            if found == pid { ending = hcq_ending(status) }
            return ending
        }
    }
}

/// A program that ended with an error; `output` is what it printed.
public struct ProgramFailed: Error, CustomStringConvertible {
    public let arguments: [String]
    public let status: Int32
    public let output: String

    public var description: String { "\(arguments.joined(separator: " ")): exit \(status)\n\(output)" }
}

/// Runs a program found in PATH and gives what it printed on standard output.
@discardableResult
public func run(_ arguments: String...) throws -> [UInt8] { try run(arguments) }

@discardableResult
public func run(_ arguments: [String]) throws -> [UInt8] {
    let outcome = try Program.run(arguments[0], Array(arguments.dropFirst()))
    guard outcome.status == 0 else {
        throw ProgramFailed(arguments: arguments, status: outcome.status, output: outcome.errors)
    }
    return [UInt8](outcome.output)
}

/// Runs the ffmpeg tool, quiet and overwriting.
@discardableResult
public func ffmpeg(_ arguments: String...) throws -> [UInt8] {
    try run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-threads", "1"] + arguments)
}
