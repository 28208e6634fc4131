internal import Foundation
internal import Synchronization
internal import TestTools
internal import Testing

@testable internal import Pipeline

@Suite struct EventHooksTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "hcqd-hooks-\(UUID().uuidString)")
        .path

    private let tally = HookTally()

    private func hooks(
        environment: [String: String] = ProcessInfo.processInfo.environment, _ change: (inout HookSettings) -> Void
    ) -> (EventHooks, Complaints) {
        var settings = HookSettings()
        change(&settings)
        let complaints = Complaints()
        return (EventHooks(settings, environment: environment, tally: tally) { complaints.add($0) }, complaints)
    }

    private final class Complaints: Sendable {
        private let all = Mutex<[String]>([])
        var texts: [String] { all.withLock { $0 } }
        func add(_ text: String) { all.withLock { $0.append(text) } }
    }

    private func waitFor(_ isDone: (HookTally.Counts) -> Bool) {
        for _ in 0..<2000 where !isDone(tally.counts) { usleep(5000) }
    }

    @Test func aCommandGetsTheLineOnStandardInput() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let out = directory + "/out"
        let (hooks, complaints) = hooks { $0.command = ["sh", "-c", "cat >> '\(out)'"] }
        hooks.tell(type: "start", line: Array("{\"seq\":1}\n".utf8))
        hooks.tell(type: "update", line: Array("{\"seq\":2}\n".utf8))
        hooks.tell(type: "end", line: Array("{\"seq\":3}\n".utf8))
        waitFor { $0.done == 2 }
        hooks.stop()
        #expect(try String(contentsOfFile: out, encoding: .utf8) == "{\"seq\":1}\n{\"seq\":3}\n")
        #expect(complaints.texts == [])
    }

    @Test func nobodyWaitsForASlowOne() {
        let (hooks, complaints) = hooks {
            $0.command = ["sleep", "60"]
            $0.timeout = 0.2
            $0.types = ["update"]
        }
        let start = ContinuousClock.now
        for _ in 0..<(EventHooks.capacity + 100) { hooks.tell(type: "update", line: [0x7b, 0x7d]) }
        #expect(ContinuousClock.now - start < .seconds(1))
        waitFor { $0.failed == 1 }
        hooks.stop()
        #expect(tally.counts.dropped + tally.counts.failed == EventHooks.capacity + 100)
        #expect(tally.counts.waiting == 0)
        #expect(complaints.texts.first?.contains("killed after 0.2 s") == true)
    }

    /// Threads of the daemon block signals, and it ignores some; a program would inherit both.
    @Test func aCommandStartsWithNoSignalBlockedOrIgnoredAndNoOpenFile() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let out = directory + "/out"
        // Shells use some numbers of their own.
        let kept = fcntl(0, F_DUPFD, 77)
        defer { close(kept) }
        var (blocked, before) = (sigset_t(), sigset_t())
        sigfillset(&blocked)
        pthread_sigmask(SIG_BLOCK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let oldAction = signal(SIGUSR2, SIG_IGN)
        defer { signal(SIGUSR2, oldAction) }
        let (input, words) = (
            open("/dev/null", O_RDONLY),
            ["sh", "-c", "grep -h Sig /proc/self/status > '\(out)'; ls /proc/$$/fd >> '\(out)'; true"]
        )
        defer { close(input) }
        #expect(try ChildProcess(words, environment: [:], input: input).wait(seconds: 20) == .exited(0))
        let lines = try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("SigBlk:") && $0.hasSuffix("\t0000000000000000") }, "\(lines)")
        // 32 and 33 are the C library's own.
        let ignored = lines.first { $0.hasPrefix("SigIgn:") }.flatMap { UInt64($0.suffix(16), radix: 16) }
        #expect(ignored.map { $0 & 0x7fff_ffff } == 0, "\(lines)")
        #expect(lines.contains("0") && !lines.contains("\(kept)"), "\(lines)")
    }

    @Test func aCommandGetsNoSecretAndNothingThatSystemdSaidToTheDaemon() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let out = directory + "/out"
        let yaml = """
            http: {token: "${GATE}"}
            mqtt: {username: "${NAME}", password: "x${BROKER}y"}
            hooks: {webhook: "http://127.0.0.1:9/${HOOK}?${TAIL}"}
            cameras:
              a: {url: "rtsp://${USER_A}:${PASSWORD_A}@127.0.0.1/"}
              b: {url: "rtsp://127.0.0.1/${KEY}", enabled: false}
            """
        let configuration = try ConfigurationFile.read(yaml, file: "c.yaml", defaults: Configuration())
        let secret = ["GATE", "NAME", "BROKER", "HOOK", "TAIL", "USER_A", "PASSWORD_A", "KEY"]
        #expect(configuration.secretNames == Set(secret))
        let ours = [
            "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "JOURNAL_STREAM",
        ]
        var all = Dictionary(uniqueKeysWithValues: (secret + ours).map { ($0, "hush") })
        all["PLAIN"] = "seen = by all"
        all["PATH"] = ProcessInfo.processInfo.environment["PATH"]
        let given = Secrets(environment: all).environment(without: configuration.secretNames)
        let (hooks, complaints) = hooks(environment: given) { $0.command = ["sh", "-c", "env > '\(out)'"] }
        hooks.tell(type: "start", line: Array("{}\n".utf8))
        waitFor { $0.done + $0.failed == 1 }
        hooks.stop()
        #expect(complaints.texts == [])
        let lines = try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n")
        #expect(lines.contains("PLAIN=seen = by all"), "\(lines)")
        #expect(!lines.contains { $0.contains("hush") }, "\(lines)")
    }

    @Test func nothingOfACommandThatTakesTooLongGoesOn() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let out = directory + "/out"
        let (hooks, _) = hooks {
            $0.command = ["sh", "-c", "(sleep 1; echo late > '\(out)') & sleep 60"]
            $0.timeout = 0.2
        }
        hooks.tell(type: "start", line: [0x7b, 0x7d])
        waitFor { $0.failed == 1 }
        usleep(1_500_000)
        #expect(!FileManager.default.fileExists(atPath: out))
    }

    @Test func failuresAreTold() {
        let (hooks, complaints) = hooks { $0.command = ["no-such-program-at-all"] }
        hooks.tell(type: "start", line: [0x7b, 0x7d])
        waitFor { $0.failed == 1 }
        #expect(complaints.texts == ["hook no-such-program-at-all: cannot be started: No such file or directory"])
    }

    @Test func aWebhookGetsTheLineByPOST() throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/curl") else {
            print("left out: webhooks are not tried, because /usr/bin/curl is not there")
            return
        }
        let folder = try TemporaryFolder()
        let server = try Program("/usr/bin/python3", ["-c", Self.server], output: .file(folder.file("printed")))
        var printed: [Substring] {
            (try? String(contentsOfFile: folder.file("printed"), encoding: .utf8))?.split(separator: "\n") ?? []
        }
        for _ in 0..<1000 where printed.isEmpty { usleep(20_000) }
        let port = try #require(printed.first)
        let (hooks, complaints) = hooks { $0.webhook = "http://127.0.0.1:\(port)/a?b=c" }
        let line = #"{"camera":"back\\slash \"quoted\" \u00e9é","n":1}"#
        hooks.tell(type: "start", line: Array((line + "\n").utf8))
        waitFor { $0.done + $0.failed == 1 }
        #expect(complaints.texts == [])
        server.wait()
        #expect(printed.dropFirst() == ["POST application/json \(line)"])
    }

    /// Serves one request and prints what came.
    private static let server = """
        import http.server
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                print(self.command, self.headers["Content-Type"], body, flush=True)
                self.send_response(204)
                self.end_headers()
            def log_message(self, *_): pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        print(server.server_port, flush=True)
        server.handle_request()
        """
}
