import Foundation
import Ingest
import Scene
import TestTools
import Testing

/// A camera over RTMP: the ffmpeg tool listens and sends to the first client.
@Suite struct RTMPTests {
    private let folder: TemporaryFolder
    private let server: Program
    private let address: String

    init() throws {
        folder = try TemporaryFolder()
        try ffmpeg(
            "-f", "lavfi", "-i", "testsrc2=size=320x192:rate=25:duration=2", "-f", "lavfi", "-i", "sine=duration=2",
            "-c:v",
            "libx264", "-g", "25", "-bf", "0", "-c:a", "aac", folder.file("a.mp4"))
        address = "rtmp://127.0.0.1:\(Int.random(in: 9_000..<12_000))/live/cam"
        server = try Program(
            "ffmpeg",
            [
                "-v", "error", "-nostdin", "-re", "-i", folder.file("a.mp4"), "-c", "copy", "-f", "flv", "-listen", "1",
                address,
            ])
    }

    @Test func picturesComeUntilTheServerEnds() throws {
        let settings = SourceSettings.small.with { $0.connection.readTimeout = 5 }
        let source = try #require(connected(settings))
        #expect(source.info.isLive && source.info.codec == "h264" && source.info.otherStreams == ["audio aac"])
        var times: [StreamTime] = []
        do { while let frame = try source.next() { times.append(frame.time) } } catch {
            #expect(error.description.contains("connection lost"))
        }
        #expect(times.count >= 45)
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
        #expect(!source.warnings.contains { if case .missingPictures = $0 { true } else { false } })
        server.wait()
    }

    /// ffmpeg does not say when it listens.
    private func connected(_ settings: SourceSettings) -> VideoSource? {
        for _ in 0..<100 {
            if let source = try? VideoSource(address, camera: CameraID("flash"), settings: settings) { return source }
            usleep(100_000)
        }
        return nil
    }
}
