import Foundation

/// A test server in Python that lives as long as this object or, if that comes first, as the tests.
public final class TestServer: Sendable {
    /// The URL that it printed, with a slash at the end.
    public let address: String
    private let program: Program
    // Closed with the tests even when they crash.
    private let lifeline: Int32

    public struct DidNotStart: Error {}

    /// - Parameter tool: A file of `Tests/Tools` that prints `ready URL`; Debian's Python runs it, which has Debian's modules.
    public init(_ tool: String, _ arguments: [String]) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw DidNotStart() }
        lifeline = ends[1]
        defer { close(ends[0]) }
        let printed = try TemporaryFolder()
        program = try Program(
            "/usr/bin/python3", [folder.appendingPathComponent("Tools/" + tool).path] + arguments, input: ends[0],
            output: .file(printed.file("line")))
        var line = ""
        let deadline = ContinuousClock.now + .seconds(60)
        while !line.contains("\n") {
            guard ContinuousClock.now < deadline, program.isRunning else { throw DidNotStart() }
            usleep(10_000)
            line = try String(contentsOfFile: printed.file("line"), encoding: .utf8)
        }
        let words = line.split(whereSeparator: \.isWhitespace)
        guard words.count >= 2, words[0] == "ready" else { throw DidNotStart() }
        address = String(words[1])
    }

    deinit { close(lifeline) }
}

/// A server of network cameras on this machine (`Tests/Tools/rtsp_camera.py`).
///
/// The query of the URL says how the camera misbehaves; the tool's `--help` lists the keys.
public final class TestCamera: Sendable {
    /// `rtsp://127.0.0.1:PORT/`.
    public var address: String { server.address }
    private let server: TestServer
    private let folder: TemporaryFolder

    /// - Parameter clips: H.264 files; nil makes a day of 640x360, a night of 320x240 and the day in H.265, 4 s each, a key
    ///   frame a second.
    public init(clips: [String]? = nil) throws {
        folder = try TemporaryFolder()
        server = try TestServer("rtsp_camera.py", ["--while-stdin"] + (try clips ?? Self.dayAndNight(in: folder)))
    }

    /// The URL of a camera that behaves as the query says.
    public func url(_ query: String = "", user: String? = nil) -> String {
        let host = user.map { address.replacingOccurrences(of: "rtsp://", with: "rtsp://\($0)@") } ?? address
        return host + "cam" + (query.isEmpty ? "" : "?" + query)
    }

    private static func dayAndNight(in folder: TemporaryFolder) throws -> [String] {
        try [("640x360", "h264"), ("320x240", "h264"), ("640x360", "h265")].map { size, codec in
            let file = folder.file(size + "." + codec)
            let options =
                codec == "h264" ? ["-g", "25", "-bf", "0"] : ["-x265-params", "keyint=25:bframes=0:log-level=none"]
            try run(
                [
                    "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i",
                    "testsrc2=size=\(size):rate=25:duration=4", "-c:v",
                ]
                    + [codec == "h264" ? "libx264" : "libx265", "-preset", "veryfast"] + options
                    + ["-f", codec == "h264" ? "h264" : "hevc", file])
            return file
        }
    }
}
