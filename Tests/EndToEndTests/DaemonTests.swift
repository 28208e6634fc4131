import Foundation
import TestTools
import Testing

/// The daemon as systemd and people see it, with cameras that behave and cameras that do not.
@Suite(.serialized) struct DaemonTests {
    let folder: Scratch
    let camera: StreetCamera

    init() throws {
        folder = try Scratch()
        _ = try Hcqd.model(in: folder)
        camera = try StreetCamera(in: folder)
    }

    @Test func badCamerasCostTheGoodOnesNothingAndEveryLogIsComplete() throws {
        let address = camera.address
        let daemon = try LiveDaemon(
            cameras: """
                  good: {url: "\(address)cam"}
                  second: {url: "\(address)cam", fps: 5}
                  frozen: {url: "\(address)cam?freeze_after=20", connection: {read_timeout_s: 1}}
                  closing: {url: "\(address)cam?close_after=20"}
                  refused: {url: "rtsp://127.0.0.1:9/cam"}
                  locked: {url: "\(address)cam?user=a&password=b"}
                  garbage: {url: "\(address)cam?garbage_after=10&garbage_for=5"}
                  jumping: {url: "\(address)cam?jump_after=20&jump=1000"}
                  wrapping: {url: "\(address)cam?first_timestamp=4294700000"}
                  dripping: {url: "\(address)cam?drip=300", connection: {probe_timeout_s: 2, read_timeout_s: 1}}
                  sound: {url: "\(address)cam?codec=PCMU"}
                  liar: {url: "\(address)cam?codec=H265", connection: {probe_timeout_s: 2, read_timeout_s: 2}}
                  resizing: {url: "\(address)cam?switch_after=20&switch_to=1"}
                """, in: folder)
        try daemon.waitForLines("frozen") { $0.contains { $0.type == "camera_stalled" && $0.reason == "no_data" } }
        try daemon.waitForLines("closing") { $0.contains { $0.type == "camera_offline" } }
        try daemon.waitForLines("refused") { $0.contains { $0.type == "camera_offline" && $0.reason == "unreachable" } }
        try daemon.waitForLines("locked") { $0.contains { $0.type == "camera_offline" && $0.reason == "unauthorized" } }
        try daemon.waitForLines("jumping") { $0.contains { $0.type == "discontinuity" } }
        try daemon.waitForLines("garbage") { $0.contains { $0.type == "camera_online" } }
        try daemon.waitForLines("dripping") { $0.contains { ["camera_stalled", "camera_offline"].contains($0.type) } }
        try daemon.waitForLines("sound") {
            $0.contains { $0.type == "camera_offline" && $0.reason == "no_usable_video" }
        }
        try daemon.waitForLines("liar") { $0.contains { ["camera_stalled", "camera_offline"].contains($0.type) } }
        try daemon.waitForLines("wrapping") { $0.contains { $0.type == "start" } }
        #expect(!daemon.lines("wrapping").contains { $0.type == "discontinuity" })
        try daemon.waitForLines("good") { $0.contains { $0.type == "start" } }
        let resized = { String(decoding: (try? self.folder.data("events/resizing.jsonl")) ?? Data(), as: UTF8.self) }
        #expect(holds(within: 60) { resized().contains("\"size\":[320,240]") }, "\(resized())")
        #expect(!daemon.lines("good").contains { $0.type == "camera_offline" })
        let ending = daemon.stop()
        #expect(ending.status == 0, "\(daemon.journal)")
        #expect(ending.seconds < 5)
        for name in [
            "good", "second", "frozen", "closing", "refused", "locked", "garbage", "jumping", "wrapping", "dripping",
            "sound", "liar", "resizing",
        ] {
            daemon.checkStory(name)
        }
        #expect(!daemon.journal.contains("stuck"))
    }

    @Test func everyCameraHasItsShareOfTheEngineAndADeadOneCostsNothing() throws {
        let address = camera.address
        let daemon = try LiveDaemon(
            cameras: """
                  fast: {url: "\(address)cam?fps=100"}
                  slow: {url: "\(address)cam?fps=5"}
                  limited: {url: "\(address)cam?fps=50", fps: 2}
                  dead: {url: "\(address)cam?freeze_after=0"}
                """, in: folder)
        for name in ["fast", "slow", "limited"] {
            try daemon.waitForLines(name) { $0.contains { $0.type == "camera_online" } }
        }
        func frames(_ metric: String) -> [String: Double] {
            var found: [String: Double] = [:]
            for line in (daemon.get("metrics") ?? "").split(separator: "\n")
            where line.hasPrefix("hcqd_frames_\(metric)_total{") {
                found[String(line.split(separator: "\"")[1])] = line.split(separator: " ").last.flatMap { Double($0) }
            }
            return found
        }
        let (received, inferred) = (frames("received"), frames("inferred"))
        usleep(8_000_000)
        let gained = frames("inferred").merging(inferred) { $0 - $1 }
        let came = frames("received").merging(received) { $0 - $1 }
        // A camera gets all that it sends or as much as the one that sends most.
        for name in ["slow", "limited"] {
            #expect(
                gained[name, default: 0] >= 0.7 * min(came[name, default: 0], gained["fast", default: 0]),
                "\(gained) of \(came)")
        }
        #expect(gained["limited", default: 0] <= 8 * 2 + 4, "\(gained)")
        #expect(gained["dead", default: 0] == 0)
        print("frames in 8 s: \(gained) of \(came)")
        #expect(daemon.stop().status == 0)
    }

    @Test func aFileComesAtItsOwnPaceAndAgainWhenItEnds() throws {
        try folder.ffmpeg("-f", "h264", "-r", "10", "-i", "day.h264", "-t", "3", "-c", "copy", "short.mp4")
        let daemon = try LiveDaemon(cameras: "  clip: {url: \"\(folder.path("short.mp4"))\"}\n", in: folder)
        try daemon.waitForLines("clip") { $0.count { $0.type == "discontinuity" && $0.reason == "end_of_file" } >= 2 }
        let ending = daemon.stop()
        #expect(ending.status == 0)
        #expect(ending.seconds < 5)
        daemon.checkStory("clip")
        let ends = daemon.lines("clip").filter { $0.reason == "end_of_file" }
        let apart = try #require(ends.count > 1 ? ends[1].time.timeIntervalSince(ends[0].time) : nil)
        #expect(apart > 2.5, "three seconds of clip took \(apart) s")
        #expect(daemon.lines("clip").count { $0.type == "camera_online" } == 1)
    }

    @Test func reloadRestartsOnlyWhatChangedAndABadFileChangesNothing() throws {
        let address = camera.address
        let listener = try NotifyListener(in: folder)
        let daemon = try LiveDaemon(
            cameras: "  stays: {url: \"\(address)cam\"}\n  goes: {url: \"\(address)cam\"}\n", in: folder,
            environment: ["NOTIFY_SOCKET": listener.path, "WATCHDOG_USEC": "3000000"])
        try daemon.waitForLines("stays") { $0.contains { $0.type == "camera_online" } }
        try daemon.waitForLines("goes") { $0.contains { $0.type == "start" } }
        #expect(holds(within: 20) { listener.hear().contains("READY=1") })
        #expect(holds(within: 20) { listener.hear().contains("WATCHDOG=1") })

        try "cameras: {stays: {ulr: x}}".write(toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
        daemon.signal(SIGHUP)
        #expect(holds(within: 20) { daemon.journal.contains("did you mean 'url'?") })
        #expect(daemon.get("cameras")?.contains("\"name\":\"goes\"") == true)

        try daemon.configure(cameras: "  stays: {url: \"\(address)cam\"}\n  new: {url: \"\(address)cam\"}\n")
        daemon.signal(SIGHUP)
        try daemon.waitForLines("new") { $0.contains { $0.type == "camera_online" } }
        try daemon.waitForLines("goes") { lines in
            lines.filter { $0.type == "start" }.count == lines.filter { $0.type == "end" }.count
        }
        #expect(daemon.lines("goes").last { $0.type == "end" }?.reason == "disabled")
        #expect(daemon.lines("stays").count { $0.type == "camera_online" } == 1)
        let heard = holds(within: 20) { listener.hear().contains("RELOADING=1\nMONOTONIC_USEC=") }
        #expect(heard)
        #expect(daemon.stop().status == 0)
        #expect(listener.hear().contains("STOPPING=1"))
        for name in ["stays", "goes", "new"] { daemon.checkStory(name) }
    }

    @Test func aKilledDaemonsStoryIsCompletedByTheNextOne() throws {
        let cameras = "  door: {url: \"\(camera.address)cam\"}\n"
        do {
            let first = try LiveDaemon(cameras: cameras, in: folder)
            try first.waitForLines("door") { $0.contains { $0.type == "start" } }
            first.signal(SIGKILL)
        }
        let second = try LiveDaemon(cameras: cameras, in: folder)
        try second.waitForLines("door") { $0.contains { $0.type == "end" && $0.reason == "restart" } }
        #expect(second.stop().status == 0)
        second.checkStory("door")
    }

    @Test func renamedLogsGoOnInANewFileAfterSIGUSR1() throws {
        let daemon = try LiveDaemon(cameras: "  door: {url: \"\(camera.address)cam\"}\n", in: folder)
        try daemon.waitForLines("door") { $0.contains { $0.type == "start" } }
        try FileManager.default.moveItem(
            atPath: folder.path("events/door.jsonl"), toPath: folder.path("events/old.jsonl"))
        daemon.signal(SIGUSR1)
        try daemon.waitForLines("door") { !$0.isEmpty }
        #expect(daemon.stop().status == 0)
        let old = String(decoding: try folder.data("events/old.jsonl"), as: UTF8.self).split(separator: "\n").count
        #expect(daemon.lines("door").first?.seq == old + 1)
    }

    @Test func pagesTellWhatGoesOn() throws {
        let daemon = try LiveDaemon(
            cameras: "  door: {url: \"\(camera.address)cam\"}\n", in: folder,
            more: "hooks: {command: [\"true\"]}\nmqtt: {enabled: true, port: 9}")
        try daemon.waitForLines("door") { $0.contains { $0.type == "start" } }
        #expect(
            holds(within: 20) {
                daemon.get("metrics")?.contains("hcqd_hook_calls_total{result=\"delivered\"} 0") == false
            })
        let metrics = try #require(daemon.get("metrics"))
        #expect(metrics.contains("hcqd_camera_online{camera=\"door\"} 1\n"))
        #expect(metrics.contains("hcqd_hook_calls_total{result=\"failed\"} 0\n"))
        #expect(metrics.contains("hcqd_mqtt_connected 0\n"))
        #expect(metrics.contains("hcqd_mqtt_waiting_events{camera=\"door\"} "))
        if FileManager.default.isExecutableFile(atPath: "/usr/bin/promtool") {
            try metrics.write(toFile: folder.path("metrics.txt"), atomically: true, encoding: .utf8)
            let check = try Hcqd.run("/bin/sh", ["-c", "promtool check metrics < metrics.txt"], in: folder)
            #expect(check.status == 0, "\(check.text)\(check.errors)")
        }
        // Load balancers ask by HEAD, and the connection goes on.
        let urls = ["healthz", "metrics", "cameras/none/picture.jpg"].map { "http://127.0.0.1:\(daemon.port)/\($0)" }
        let heads = try Hcqd.run("/usr/bin/curl", ["-s", "-m", "5", "-I"] + urls, in: folder)
        #expect(heads.status == 0)
        #expect(heads.text.components(separatedBy: "HTTP/1.1 200 ").count == 3, "\(heads.text)")
        #expect(heads.text.contains("HTTP/1.1 404 ") && heads.text.contains("Content-Length: 3\r\n"))
        let posted = try Hcqd.run("/usr/bin/curl", ["-s", "-m", "5", "-d", "x", urls[0]], in: folder)
        #expect(posted.text == "only GET and HEAD are answered here\n")
        #expect(daemon.get("cameras")?.contains("\"state\":\"online\"") == true)
        #expect(daemon.get("")?.contains("<title>hcqd</title>") == true)
        let feed = try Hcqd.run(
            "/usr/bin/curl", ["-s", "-N", "-m", "2", "http://127.0.0.1:\(daemon.port)/events?camera=door&from=1"],
            in: folder)
        #expect(feed.text.contains("id: door:1\nevent: camera_online\ndata: {\"v\":1,\"seq\":1,"))
        let picture = try Hcqd.run(
            "/usr/bin/curl", ["-s", "http://127.0.0.1:\(daemon.port)/cameras/door/picture.jpg", "-o", "p.jpg"],
            in: folder)
        #expect(picture.status == 0)
        #expect(try folder.data("p.jpg").starts(with: [0xff, 0xd8]))
        #expect(daemon.get("cameras", headers: ["Host: elsewhere.example"])?.contains("door") == false)
        #expect(daemon.stop().status == 0)
    }

    @Test func damagedRequestsDoNoHarm() throws {
        let daemon = try LiveDaemon(cameras: "  door: {url: \"rtsp://127.0.0.1:9/\"}\n", in: folder)
        func descriptors() -> Double {
            let line = (daemon.get("metrics") ?? "").split(separator: "\n").first {
                $0.hasPrefix("hcqd_open_descriptors ")
            }
            return line.flatMap { Double($0.split(separator: " ")[1]) } ?? .infinity
        }
        try daemon.waitForLines("door") { !$0.isEmpty }
        let before = descriptors()
        let tool = Hcqd.project.appendingPathComponent("Tests/Tools/http_fuzz.py").path
        let outcome = try Hcqd.run("/usr/bin/python3", [tool, "\(daemon.port)", "--count", "300"], in: folder)
        #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)\(daemon.journal)")
        // Viewers who are gone leave nothing behind, also of a camera that shows nothing.
        #expect(holds(within: 90) { descriptors() <= before + 2 }, "\(descriptors()) descriptors, before \(before)")
        let ending = daemon.stop()
        #expect(ending.status == 0)
        #expect(ending.seconds < 5)
    }

    @Test func aTokenIsAskedForWhenThereIsOne() throws {
        let daemon = try LiveDaemon(
            cameras: "  door: {url: \"rtsp://127.0.0.1:9/\"}\n", in: folder, more: "", environment: ["TOKEN": "s3cret"])
        try daemon.configure(cameras: "  door: {url: \"rtsp://127.0.0.1:9/\"}\n")
        let text = try String(contentsOfFile: folder.path("c.yaml"), encoding: .utf8)
        try text.replacing("http: {enabled: true,", with: "http: {enabled: true, token: \"${TOKEN}\",").write(
            toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
        daemon.signal(SIGHUP)
        #expect(holds(within: 20) { daemon.get("cameras")?.contains("token is needed") == true })
        #expect(daemon.get("cameras", headers: ["Authorization: Bearer wrong!"])?.contains("door") == false)
        #expect(daemon.get("cameras", headers: ["Authorization: Bearer s3cret"])?.contains("door") == true)
        #expect(daemon.get("healthz") == "ok\n")
        #expect(!daemon.journal.contains("s3cret"))
        #expect(daemon.stop().status == 0)
    }

    @Test func aBrokerThatDiesAndReturnsGetsEveryLine() throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/sbin/mosquitto") else {
            print("left out: MQTT is not tested, because Debian's mosquitto is not installed")
            return
        }
        let broker = try Broker(in: folder)
        try broker.start()
        let daemon = try LiveDaemon(
            cameras: "  door: {url: \"\(camera.address)cam\", events: {update_interval_s: 1}}\n", in: folder,
            more: "mqtt: {enabled: true, port: \(broker.port)}")
        try daemon.waitForLines("door") { $0.contains { $0.type == "start" } }
        #expect(holds(within: 30) { broker.received.contains("\"type\":\"start\"") })
        broker.stop()
        let before = daemon.lines("door").count
        try daemon.waitForLines("door") { $0.count > before + 5 }
        try broker.start()
        let sent = daemon.lines("door").count
        #expect(holds(within: 60) { broker.sequences.contains(sent) }, "\(daemon.journal)")
        #expect(Set(1...sent).isSubset(of: broker.sequences))
        #expect(broker.received.contains("hcqd/available online"))
        #expect(broker.received.contains("homeassistant/sensor/hcqd_door/people/config {"))
        #expect(broker.received.contains("hcqd/door/person "))
        // The broker's subscribers have a line before hcqd has its acknowledgement.
        var metrics = ""
        let isDelivered = holds(within: 10) {
            metrics = daemon.get("metrics") ?? ""
            let line = metrics.split(separator: "\n").first { $0.hasPrefix("hcqd_mqtt_delivered_events_total ") }
            return line.flatMap { Int($0.split(separator: " ")[1]) }.map { $0 >= sent } ?? false
        }
        #expect(isDelivered && metrics.contains("hcqd_mqtt_connected 1\n"), "\(metrics)")
        #expect(daemon.stop().status == 0)
        #expect(holds(within: 10) { broker.received.hasSuffix("hcqd/available offline\n") })
        broker.stop()
    }

    @Test func aBrokerIsReachedOverTLSAndAnotherAuthorityIsRefused() throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/sbin/mosquitto") else {
            print("left out: MQTT over TLS is not tested, because Debian's mosquitto is not installed")
            return
        }
        let broker = try Broker(in: folder, isTLS: true)
        try broker.start()
        try Broker.makeAuthority("other", in: folder)
        func mqtt(_ authority: String, host: String = "localhost") -> String {
            "mqtt: {enabled: true, host: \(host), port: \(broker.port), ca_file: \"\(authority)\"}"
        }
        let cameras = "  door: {url: \"\(camera.address)cam\"}\n"
        let daemon = try LiveDaemon(cameras: cameras, in: folder, more: mqtt(folder.path("other.pem")))
        #expect(holds(within: 20) { daemon.journal.contains("the broker's certificate is not signed by mqtt.ca_file") })
        for (settings, complaint) in [
            (
                mqtt(folder.path("ca.pem"), host: "127.0.0.1"),
                "the broker's certificate is for another name than mqtt.host"
            ),
            (mqtt(folder.path("none.pem")), "none.pem: No such file or directory"),
        ] {
            try daemon.configure(cameras: cameras, more: settings)
            daemon.signal(SIGHUP)
            #expect(holds(within: 20) { daemon.journal.contains(complaint) }, "\(complaint): \(daemon.journal)")
        }
        #expect(broker.received == "")
        // The file at the same place, put right, is read with the next attempt.
        try daemon.configure(cameras: cameras, more: mqtt(folder.path("other.pem")))
        daemon.signal(SIGHUP)
        try folder.data("ca.pem").write(to: folder.url.appendingPathComponent("other.pem"))
        try daemon.waitForLines("door") { $0.contains { $0.type == "start" } }
        let sent = daemon.lines("door").count
        #expect(holds(within: 40) { broker.sequences.isSuperset(of: 1...sent) }, "\(daemon.journal)")
        #expect(daemon.stop().status == 0)
        #expect(holds(within: 10) { broker.received.hasSuffix("hcqd/available offline\n") })
        broker.stop()
    }

    @Test func probeSaysWhatACameraSends() throws {
        let outcome = try Hcqd.run("probe", camera.address + "cam", "--seconds", "1", in: folder)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.text.contains("h264") && outcome.text.contains("384x288"))
        let refused = try Hcqd.run("probe", "rtsp://user:secret@127.0.0.1:9/cam", in: folder)
        #expect(refused.status == 1)
        #expect(!refused.errors.contains("secret"))
    }
}

/// A socket that listens as systemd does.
private final class NotifyListener {
    let path: String
    private let descriptor: Int32
    private var heard = ""

    init(in folder: Scratch) throws {
        path = folder.path("notify")
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
    }

    deinit { close(descriptor) }

    /// Everything that came so far, a line between messages.
    func hear() -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0 { return heard }
            heard += String(decoding: buffer[..<count], as: UTF8.self) + "\n"
        }
    }
}
