import Foundation
import TestTools
import Testing

/// Where messages go may be closed or full: that must not end what they are about.
@Suite struct StandardErrorTests {
    @Test func messagesThatCannotBeWrittenAreLost() throws {
        let folder = try Scratch()
        try "camras: {}".write(toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
        for place in ["2>/dev/full", "2>&-"] {
            let command = "'\(Hcqd.binary.path)' check c.yaml \(place)"
            #expect(try Hcqd.run("/bin/sh", ["-c", command], in: folder).status == 78)
        }
    }

    @Test(arguments: ["0<&- 1>&- 2>&-", "2>/dev/full"])
    func theDaemonGoesOnAndNoLogGetsItsMessages(streams: String) throws {
        let folder = try Scratch()
        _ = try Hcqd.model(in: folder)
        try folder.ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=5:duration=1", "clip.mp4")
        let yaml = LiveDaemon.yaml(
            cameras: "  clip: {url: \"\(folder.path("clip.mp4"))\"}\n  none: {url: /nowhere}\n",
            port: Int.random(in: 20_000..<32_000), folder: folder)
        try yaml.write(toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
        let command = "exec '\(Hcqd.binary.path)' run --config c.yaml \(streams)"
        let daemon = try Program("/bin/sh", ["-c", command], in: folder.url.path)
        let log = { (try? String(contentsOfFile: folder.path("events/clip.jsonl"), encoding: .utf8)) ?? "" }
        #expect(holds(within: 60) { log().contains("end_of_file") })
        #expect(daemon.isRunning)
        daemon.signal(SIGTERM)
        #expect(daemon.wait() == 0)
        #expect(log().split(separator: "\n").allSatisfy { $0.hasPrefix("{\"v\":1,") && $0.hasSuffix("}") })
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path("events")) {
            let text = try String(contentsOfFile: folder.path("events/\(name)"), encoding: .utf8)
            #expect(!text.contains("ready:") && !text.contains("no such file"), "\(name)")
        }
    }
}
