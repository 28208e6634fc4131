import Foundation

/// A server of network cameras on this machine (`Tests/Tools/rtsp_camera.py`), stopped with the object.
///
/// The query of the URL says how the camera misbehaves; the tool's `--help` lists the keys.
public final class TestCamera: @unchecked Sendable {
    /// `rtsp://127.0.0.1:PORT/`.
    public let address: String
    private let process = Process()
    private let lifeline = Pipe()
    private let folder: TemporaryFolder

    public struct DidNotStart: Error {}

    /// - Parameter clips: H.264 files; nil makes a day of 640x360 and a night of 320x240, 4 s each, a key frame a
    /// second.
    public init(clips: [String]? = nil) throws {
        folder = try TemporaryFolder()
        let files = try clips ?? Self.dayAndNight(in: folder)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", Self.tool, "--while-stdin"] + files
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        // The server lives as long as this end of the pipe: it ends with the tests, however they end.
        process.standardInput = lifeline
        try process.run()
        var line = Data()
        while !line.contains(10) {
            let part = output.fileHandleForReading.availableData
            if part.isEmpty { throw DidNotStart() }
            line += part
        }
        let text = String(decoding: line, as: UTF8.self)
        guard let start = text.range(of: "rtsp://") else { throw DidNotStart() }
        address = text[start.lowerBound...].trimmingCharacters(in: .whitespacesAndNewlines)
    }

    // Not a signal: Foundation's children start with all of them blocked when a queue's thread makes them.
    deinit {
        try? lifeline.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// The URL of a camera that behaves as the query says.
    public func url(_ query: String = "", user: String? = nil) -> String {
        let host = user.map { address.replacingOccurrences(of: "rtsp://", with: "rtsp://\($0)@") } ?? address
        return host + "cam" + (query.isEmpty ? "" : "?" + query)
    }

    private static let tool = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Tools/rtsp_camera.py").path

    private static func dayAndNight(in folder: TemporaryFolder) throws -> [String] {
        try ["640x360", "320x240"].map { size in
            let file = folder.file(size + ".h264")
            try ffmpeg(
                "-f", "lavfi", "-i", "testsrc2=size=\(size):rate=25:duration=4", "-c:v", "libx264", "-preset",
                "veryfast",
                "-g", "25", "-bf", "0", "-f", "h264", file)
            return file
        }
    }
}
