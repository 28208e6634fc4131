import Foundation
import TestTools
import Testing

/// A test camera that shows the demo's clip.
final class StreetCamera {
    private let server: TestServer
    var address: String { server.address }

    init(in folder: Scratch, fps: Int = 10) throws {
        try folder.ffmpeg(
            "-i", Hcqd.clip, "-t", "10", "-s", "384x288", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf",
            "0",
            "-pix_fmt", "yuv420p", "-bsf:v", "h264_mp4toannexb", "day.h264")
        try folder.ffmpeg(
            "-i", "day.h264", "-s", "320x240", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0",
            "night.h264")
        server = try TestServer(
            "rtsp_camera.py",
            ["--while-stdin", folder.path("day.h264"), folder.path("night.h264"), "--fps", "\(fps)"])
    }
}

/// `hcqd run` with a configuration of a test's own.
final class LiveDaemon {
    private let program: Program
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
        program = try Program(
            Hcqd.binary.path, ["run", "--config", folder.path("c.yaml")], environment: environment,
            errors: .file(folder.path("daemon.log")))
        try #require(holds(within: 60) { self.get("healthz") == "ok\n" }, "no answer: \(journal)")
    }

    var journal: String { (try? String(contentsOfFile: folder.path("daemon.log"), encoding: .utf8)) ?? "" }

    /// - Parameter port: Of the pages, when they shall be elsewhere.
    func configure(cameras: String, more: String = "", port other: Int? = nil) throws {
        try Self.yaml(cameras: cameras, port: other ?? port, folder: folder, more: more).write(
            toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
    }

    func signal(_ number: Int32) { program.signal(number) }

    /// Sends SIGTERM.
    /// - Returns: exit status and seconds until the end.
    func stop() -> (status: Int32, seconds: Double) {
        let began = Date()
        program.signal(SIGTERM)
        return (program.wait(), Date().timeIntervalSince(began))
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
