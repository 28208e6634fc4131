import Foundation
import Testing

/// A test camera: `Tests/Tools/rtsp_camera.py` with a clip of the demo.
final class TestCamera {
    private let process = Process()
    let address: String

    init(in folder: Scratch, fps: Int = 10) throws {
        try folder.ffmpeg(
            "-i", Hcqd.clip, "-t", "10", "-s", "384x288", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf",
            "0",
            "-pix_fmt", "yuv420p", "-bsf:v", "h264_mp4toannexb", "day.h264")
        try folder.ffmpeg(
            "-i", "day.h264", "-s", "320x240", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0",
            "night.h264")
        let log = folder.url.appendingPathComponent("camera.log")
        try Data().write(to: log)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        process.arguments = [
            Hcqd.project.appendingPathComponent("Tests/Tools/rtsp_camera.py").path, folder.path("day.h264"),
            folder.path("night.h264"), "--port", "0", "--fps", "\(fps)",
        ]
        process.standardOutput = try FileHandle(forWritingTo: log)
        process.standardError = FileHandle.nullDevice
        try process.run()
        let ready = try #require(
            wait(seconds: 20) {
                let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
                return text.contains("\n") ? text.split(separator: " ").first { $0.hasPrefix("rtsp://") } : nil
            }, "the test camera does not start")
        address = String(ready).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    // Children start with the signals blocked that a Dispatch thread blocks, SIGTERM among them.
    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
}

/// `hcqd run` with a configuration of a test's own.
final class LiveDaemon {
    private let process = Process()
    private let folder: Scratch
    let port: Int

    static func yaml(cameras: String, port: Int, folder: Scratch, more: String = "") -> String {
        """
        model: {path: "\(folder.path("net.safetensors"))", input_width: 128, input_height: 96}
        storage: {directory: "\(folder.path("events"))"}
        tracking: {birth_score: 0.3, confident_score: 0.3}
        http: {enabled: true, port: \(port)}
        \(more)
        cameras:
        \(cameras)
        """
    }

    /// Starts the daemon and waits until it answers.
    init(cameras: String, in folder: Scratch, more: String = "", environment: [String: String] = [:]) throws {
        self.folder = folder
        port = Int.random(in: 20_000..<32_000)
        try Self.yaml(cameras: cameras, port: port, folder: folder, more: more).write(
            toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
        try Data().write(to: folder.url.appendingPathComponent("daemon.log"))
        process.executableURL = Hcqd.binary
        process.arguments = ["run", "--config", folder.path("c.yaml")]
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = try FileHandle(forWritingTo: folder.url.appendingPathComponent("daemon.log"))
        try process.run()
        try #require(holds(within: 60) { self.get("healthz") == "ok\n" }, "no answer: \(journal)")
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    var journal: String { (try? String(contentsOfFile: folder.path("daemon.log"), encoding: .utf8)) ?? "" }

    func configure(cameras: String, more: String = "") throws {
        try Self.yaml(cameras: cameras, port: port, folder: folder, more: more).write(
            toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
    }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// Sends SIGTERM.
    /// - Returns: exit status and seconds until the end.
    func stop() -> (status: Int32, seconds: Double) {
        let began = Date()
        process.terminate()
        process.waitUntilExit()
        let status = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        return (status, Date().timeIntervalSince(began))
    }

    /// The body of a page; nil when there is none.
    func get(_ page: String, headers: [String] = []) -> String? {
        let arguments = ["-s", "-m", "5"] + headers.flatMap { ["-H", $0] } + ["http://127.0.0.1:\(port)/\(page)"]
        guard let answer = try? Hcqd.run("/usr/bin/curl", arguments, in: Scratch()), answer.status == 0 else {
            return nil
        }
        return answer.text
    }

    struct Line: Decodable {
        let seq: Int
        let type: String
        let id: String?
        let reason: String?
        let t: String

        var time: Date {
            (try? Date(t, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))) ?? .distantPast
        }
    }

    func lines(_ camera: String) -> [Line] {
        let text = (try? folder.data("events/\(camera).jsonl")) ?? Data()
        return text.split(separator: 0x0a).compactMap { try? JSONDecoder().decode(Line.self, from: Data($0)) }
    }

    /// Waits until the camera's log has lines that satisfy `isEnough`.
    func waitForLines(_ camera: String, _ isEnough: ([Line]) -> Bool) throws {
        try #require(
            holds(within: 60) { isEnough(self.lines(camera)) },
            "\(camera): \(lines(camera).map(\.type)) \(journal)")
    }

    /// What the log's rules ask for: numbers without a hole, one end for every start.
    func checkStory(_ camera: String) {
        let lines = lines(camera)
        #expect(lines.map(\.seq) == Array(1...max(1, lines.count)))
        let starts = lines.filter { $0.type == "start" }.compactMap(\.id)
        let ends = lines.filter { $0.type == "end" }.compactMap(\.id)
        #expect(Set(starts).count == starts.count)
        #expect(starts.sorted() == ends.sorted())
    }
}

/// Asks again and again, ten times a second, until there is an answer.
func wait<Answer>(seconds: Double, for answer: () -> Answer?) -> Answer? {
    let deadline = Date(timeIntervalSinceNow: seconds)
    while Date() < deadline {
        if let found = answer() { return found }
        usleep(100_000)
    }
    return nil
}

/// Whether `condition` comes true in time.
func holds(within seconds: Double, _ condition: () -> Bool) -> Bool {
    wait(seconds: seconds) { condition() ? true : nil } ?? false
}
