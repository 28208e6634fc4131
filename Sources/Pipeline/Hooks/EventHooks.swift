internal import Dispatch
internal import Foundation
internal import Scene
internal import Synchronization

/// Calls a program or a URL when something happens, one after the other, on a thread of its own.
///
/// Who tells an event never waits: calls that have not begun wait in a queue of `capacity` lines; when it is full the
/// oldest goes and is counted. A call that takes longer than the settings allow is killed. URLs are called through `curl`,
/// which gets them on standard input, so that no secret stands in the list of processes.
final class EventHooks: Sendable {
    private struct State {
        var waiting: [[UInt8]] = []
        var isWorking = false
        var isStopped = false
    }

    static let capacity = 256

    private let settings: HookSettings
    private let environment: [String: String]
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "hcqd.hooks", qos: .utility)
    private let tally: HookTally
    private let complain: @Sendable (String) -> Void

    /// - Parameters:
    ///   - environment: what programs get of it.
    ///   - complain: told of every call that failed; limits itself.
    init(
        _ settings: HookSettings, environment: [String: String], tally: HookTally,
        complain: @escaping @Sendable (String) -> Void
    ) {
        self.settings = settings
        self.environment = environment
        self.tally = tally
        self.complain = complain
    }

    /// Tells of an event, when its type is wanted. Returns at once.
    /// - Parameter line: the event's line, with or without its newline.
    func tell(type: String, line: [UInt8]) {
        guard wants(type), settings.isUsed else { return }
        let mustStart = state.withLock { state in
            guard !state.isStopped else { return false }
            let isFull = state.waiting.count == Self.capacity
            if isFull { state.waiting.removeFirst() }
            state.waiting.append(line)
            tally.change { isFull ? ($0.dropped += 1) : ($0.waiting += 1) }
            defer { state.isWorking = true }
            return !state.isWorking
        }
        if mustStart { queue.async { self.work() } }
    }

    /// Begins no more calls and waits for the one that is running, at most as long as it may take.
    func stop() {
        state.withLock { state in
            state.isStopped = true
            tally.change {
                $0.dropped += state.waiting.count
                $0.waiting -= state.waiting.count
            }
            state.waiting = []
        }
        queue.sync {}
    }

    private func wants(_ type: String) -> Bool {
        settings.types.isEmpty ? type != "update" && type != "stats" : settings.types.contains(type)
    }

    private func work() {
        while let line = next() {
            var isGood = true
            if !settings.command.isEmpty {
                isGood = call(settings.command, input: line, name: settings.command[0])
            }
            if !settings.webhook.isEmpty {
                isGood = call(["curl", "--config", "-"], input: curlConfiguration(line), name: "webhook") && isGood
            }
            tally.change { isGood ? ($0.done += 1) : ($0.failed += 1) }
        }
    }

    private func next() -> [UInt8]? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.isWorking = false
                return nil
            }
            tally.change { $0.waiting -= 1 }
            return state.waiting.removeFirst()
        }
    }

    /// curl reads quotes and backslashes in quoted values behind a backslash.
    private func curlConfiguration(_ line: [UInt8]) -> [UInt8] {
        func quoted(_ text: String) -> String {
            "\"" + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"") + "\""
        }
        let body = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .newlines)
        return Array(
            """
            url = \(quoted(settings.webhook))
            header = "Content-Type: application/json"
            data-binary = \(quoted(body))
            max-time = \(settings.timeout)
            silent
            fail
            output = "/dev/null"

            """.utf8)
    }

    /// Runs a program until it ends or its time is up.
    private func call(_ words: [String], input: [UInt8], name: String) -> Bool {
        do {
            let input = try file(holding: input)
            let child = try ChildProcess(words, environment: environment, input: input.fileDescriptor)
            switch child.wait(seconds: settings.timeout) {
            case .exited(0): return true
            case .exited(let status):
                complain("hook \(name): \(Self.curlEnding(status, of: words) ?? "exit status \(status)")")
            case .killedBy(let signal): complain("hook \(name): ended by signal \(signal)")
            case .tookTooLong:
                complain("hook \(name): killed after \(plain(settings.timeout)) s; it may take hooks.timeout_s")
            }
        } catch {
            complain("hook \(name): cannot be started: \(error)")
        }
        return false
    }

    /// What curl's exit status says; nil for others.
    private static func curlEnding(_ status: Int32, of words: [String]) -> String? {
        guard words.first == "curl" else { return nil }
        switch status {
        case 6: return "no such host"
        case 7: return "cannot connect"
        case 22: return "the server refuses it, with an HTTP status of 400 or more"
        case 28: return "no answer in time; it may take hooks.timeout_s"
        case 35, 60: return "TLS fails: is the server's certificate valid, and this machine's clock right?"
        default: return nil
        }
    }

    /// A file without a name: unlike a pipe it can be written before anyone reads, and nobody gets SIGPIPE.
    private func file(holding bytes: [UInt8]) throws -> FileHandle {
        var template = Array((NSTemporaryDirectory() + "/hcqd-hook-XXXXXX").utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
        unlink(template)
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try handle.write(contentsOf: Data(bytes))
        try handle.seek(toOffset: 0)
        return handle
    }
}
