import Foundation
import Glibc
import TestTools
import Testing

/// Who may look on, and what is left to see when the configuration changes.
@Suite(.serialized) struct LookingOnTests {
    private let folder: Scratch
    private let camera: StreetCamera

    init() throws {
        folder = try Scratch()
        _ = try Hcqd.model(in: folder)
        camera = try StreetCamera(in: folder)
    }

    private func answer(_ daemon: LiveDaemon, _ page: String, _ header: String = "X-None: 1") throws -> String {
        let url = "http://127.0.0.1:\(daemon.port)/\(page)"
        return try Hcqd.run(
            "/usr/bin/curl", ["-s", "-m", "3", "-o", folder.path("body"), "-w", "%{http_code}", "-H", header, url],
            in: folder
        ).text
    }

    @Test func nothingOfACameraThatWasTakenAwayIsShownAndNoOneElseLooksOn() throws {
        let (stays, fifo) = ("  stays: {url: \"\(camera.address)cam\"}\n", folder.path("fifo"))
        try #require(mkfifo(fifo, 0o600) == 0)
        let daemon = try LiveDaemon(
            cameras: stays + """
                  goes: {url: "\(camera.address)cam"}
                  pipe: {url: "\(fifo)", connection: {connect_timeout_s: 1}}
                """, in: folder, environment: ["NONE": ""])
        for name in ["stays", "goes"] {
            #expect(holds(within: 30) { (try? answer(daemon, "cameras/\(name)/picture.jpg")) == "200" })
        }
        try daemon.waitForLines("pipe") { $0.contains { $0.reason == "timeout_connect" } }
        #expect(try answer(daemon, "cameras", "Host: LOCALHOST:80") == "200")
        for host in ["127.example.org", "127.0.0.1.example.org:8686", "example.org"] {
            #expect(try answer(daemon, "cameras", "Host: \(host)") == "403")
        }
        // A browser that saw another log's lines, with higher numbers, gets this one from its beginning.
        _ = try answer(daemon, "events?camera=stays", "Last-Event-ID: stays:999999")
        #expect(try String(contentsOfFile: folder.path("body"), encoding: .utf8).contains("id: stays:1\n"))

        try daemon.configure(cameras: stays)
        daemon.signal(SIGHUP)
        #expect(holds(within: 30) { (try? answer(daemon, "cameras/goes/picture.jpg")) == "404" })
        #expect(try answer(daemon, "cameras/stays/picture.jpg") == "200")

        // A token that stands for an empty text is none; everybody could look on.
        try LiveDaemon.yaml(cameras: stays, port: daemon.port, folder: folder).replacing(
            "http: {", with: "http: {address: 0.0.0.0, token: \"${NONE}\", "
        ).write(toFile: folder.path("c.yaml"), atomically: true, encoding: .utf8)
        daemon.signal(SIGHUP)
        #expect(holds(within: 30) { daemon.journal.contains("http is off: the token ${NONE} is empty") })
        #expect(try answer(daemon, "cameras") == "000")
        let ending = daemon.stop()
        #expect(ending.status == 0)
        #expect(ending.seconds < 5)
    }

    @Test func aFewLinesAmongManyAreFoundAtOnce() throws {
        try FileManager.default.createDirectory(atPath: folder.path("events"), withIntermediateDirectories: true)
        let old = (1...20_000).map {
            #"{"v":1,"seq":\#($0),"type":"occupancy","camera":"door","t":"2026-01-31T08:00:00.000Z","pts":0.000000,"#
                + #""clock":"wall","zone":"yard","count":0}"# + "\n"
        }
        try old.joined().write(toFile: folder.path("events/door.jsonl"), atomically: true, encoding: .utf8)
        let daemon = try LiveDaemon(cameras: "  door: {url: \"\(camera.address)cam\"}\n", in: folder)
        try #require(holds(within: 60) { daemon.journal.contains("camera door: online") }, "\(daemon.journal)")
        _ = try answer(daemon, "events?camera=door&from=1&types=camera_online")
        let found = try String(contentsOfFile: folder.path("body"), encoding: .utf8)
        #expect(found.contains(#""seq":20001,"type":"camera_online""#), "\(found.prefix(500))")
        #expect(daemon.stop().status == 0)
    }

    @Test func whoAsksForTooMuchIsSentAwayAndHoldsNobodyUp() throws {
        let daemon = try LiveDaemon(cameras: "", in: folder)
        let began = Date()
        let long = "X: " + String(repeating: "a", count: 100_000)
        for _ in 0..<4 { #expect(try answer(daemon, "cameras", long) == "431") }
        #expect(try answer(daemon, "cameras", "Content-Length: 5") == "200")
        // More than there is room for, all of them silent.
        let crowd = (0..<300).map { _ in connect(to: daemon.port) }
        #expect(crowd.allSatisfy { $0 >= 0 })
        #expect(daemon.get("healthz") == "ok\n")
        for descriptor in crowd { close(descriptor) }
        #expect(Date().timeIntervalSince(began) < 15)
        #expect(daemon.stop().status == 0)
    }

    @Test func reloadsAndPortsThatAreTakenLeaveNoDescriptorBehind() throws {
        let daemon = try LiveDaemon(cameras: "", in: folder)
        func descriptors() throws -> Int {
            let name = "hcqd_open_descriptors "
            let line = (daemon.get("metrics") ?? "").split(separator: "\n").first { $0.hasPrefix(name) }
            return try #require(Int(line?.dropFirst(name.count) ?? ""))
        }
        let (taken, port) = try takePort()
        defer { close(taken) }
        let before = try descriptors()
        let cycles = 8
        for cycle in 1...cycles {
            try daemon.configure(cameras: "", port: port)
            daemon.signal(SIGHUP)
            let refusal = "http 127.0.0.1:\(port): Address already in use"
            try #require(holds(within: 20) { daemon.journal.components(separatedBy: refusal).count > cycle })
            try daemon.configure(cameras: "")
            daemon.signal(SIGHUP)
            try #require(holds(within: 20) { daemon.get("healthz") == "ok\n" })
        }
        #expect(try descriptors() < before + cycles)
        #expect(daemon.stop().status == 0)
    }

    /// A descriptor that listens, and its port.
    private func takePort() throws -> (Int32, Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) + listen(descriptor, 1) + getsockname(descriptor, $0, &size)
            }
        }
        try #require(code == 0)
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    private func connect(to port: Int) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        (address.sin_family, address.sin_port) = (sa_family_t(AF_INET), UInt16(port).bigEndian)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return code == 0 ? descriptor : -1
    }

    @Test func aCameraThatGivesOnePictureAtATimeIsOneStream() throws {
        try folder.ffmpeg("-i", "day.h264", "-frames:v", "20", "p%02d.jpg")
        let web = try TestServer("web_camera.py", [folder.path(".")])
        let daemon = try LiveDaemon(
            cameras: """
                  door: {url: "\(web.address)next.jpg", fps: 5}
                  broken: {url: "\(web.address)next?status=503"}
                """, in: folder)
        try daemon.waitForLines("door") { $0.contains { $0.type == "start" } }
        usleep(3_000_000)
        #expect(daemon.get("metrics")?.contains("hcqd_camera_online{camera=\"door\"} 1\n") == true)
        #expect(daemon.stop().status == 0)
        daemon.checkStory("door")
        #expect(!daemon.lines("door").contains { $0.type == "discontinuity" }, "\(daemon.journal)")
        #expect(daemon.lines("door").count { $0.type == "camera_online" } == 1)
        #expect(daemon.lines("broken").count { $0.type == "camera_offline" && $0.reason == "unreachable" } == 1)
        let probe = try Hcqd.run("probe", web.address + "next.jpg", "--seconds", "2", in: folder)
        #expect(probe.text.contains("a single picture, asked for again and again"), "\(probe.text)\(probe.errors)")
    }

    @Test func aPipeIsReplayedLikeAFile() throws {
        try folder.ffmpeg("-f", "h264", "-r", "10", "-i", "day.h264", "-t", "2", "-c", "copy", "short.ts")
        let options = ["--camera", "clip", "--model", "net.safetensors", "--threshold", "0.3"]
        let file = try Hcqd.run(Hcqd.binary.path, ["--replay", "short.ts", "--output", "file"] + options, in: folder)
        #expect(file.status == 0, "\(file.errors)")
        let command =
            "cat short.ts | '\(Hcqd.binary.path)' --replay - --output pipe \(options.joined(separator: " "))"
        let pipe = try Hcqd.run("/bin/sh", ["-c", command], in: folder)
        #expect(pipe.status == 0, "\(pipe.errors)")
        #expect(try folder.data("pipe/clip.jsonl") == folder.data("file/clip.jsonl"))
        #expect(try Hcqd.run("events", ".", "-f", in: folder).status == 64)
    }
}
