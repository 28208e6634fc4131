import Foundation
import TestTools
import Testing

/// Cameras of GStreamer's RTSP server, which is not ours.
@Suite(.serialized) struct GStreamerTests {
    @Test(arguments: ["cam", "resizing"]) func aCameraDiesAndReturns(name: String) throws {
        let folder = try Scratch()
        _ = try Hcqd.model(in: folder)
        let known = try Hcqd.run(
            "/usr/bin/python3", ["-c", "import gi; gi.require_version('GstRtspServer', '1.0')"], in: folder)
        guard known.status == 0 else {
            print("left out: no test against GStreamer, because gir1.2-gst-rtsp-server-1.0 is not installed")
            return
        }
        let first = try GStreamerCamera()
        let url = first.address.replacing("/cam", with: "/" + name)
        let daemon = try LiveDaemon(cameras: "  ball: {url: \"\(url)\"}\n", in: folder)
        try daemon.waitForLines("ball") { $0.contains { $0.type == "camera_online" } }
        if name == "resizing" { checkSizes(daemon) }
        first.stop()
        try daemon.waitForLines("ball") { $0.contains { $0.type == "camera_offline" } }
        let second = try GStreamerCamera(port: first.port)
        try daemon.waitForLines("ball") { $0.count { $0.type == "camera_online" } == 2 }
        #expect(daemon.stop().status == 0)
        daemon.checkStory("ball")
        second.stop()
    }

    /// At 10 pictures a second every size comes once.
    private func checkSizes(_ daemon: LiveDaemon) {
        func frames(_ name: String) -> Double? {
            let line = (daemon.get("metrics") ?? "").split(separator: "\n").first { $0.hasPrefix(name) }
            return line.flatMap { Double($0.split(separator: " ")[1]) }
        }
        let cameFrames = holds(within: 60) { frames("hcqd_frames_received_total{camera=\"ball\"}") ?? 0 > 110 }
        #expect(cameFrames && frames("hcqd_frames_skipped_total{camera=\"ball\",reason=\"damaged\"}") == 0)
        #expect(daemon.journal.contains("the picture changes from 320x240 to 640x360"), "\(daemon.journal)")
        #expect(!daemon.lines("ball").contains { $0.type == "camera_offline" }, "\(daemon.journal)")
    }
}
