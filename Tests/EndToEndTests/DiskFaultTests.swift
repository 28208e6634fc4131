import Foundation
import Glibc
import TestTools
import Testing

/// The running daemon while its disk fails: it says what, once, keeps the lines, and goes on when the disk is back.
@Suite(.serialized) struct DiskFaultTests {
    let folder: Scratch
    let camera: StreetCamera

    init() throws {
        folder = try Scratch()
        _ = try Hcqd.model(in: folder)
        camera = try StreetCamera(in: folder)
    }

    private var door: String { "  door: {url: \"\(camera.address)cam\", events: {update_interval_s: 1}}\n" }

    private func count(_ text: String, in daemon: LiveDaemon) -> Int {
        daemon.journal.components(separatedBy: text).count - 1
    }

    private func metric(_ name: String, _ daemon: LiveDaemon) -> Double? {
        daemon.get("metrics")?.split(separator: "\n").first { $0.hasPrefix(name + "{camera=\"door\"}") }?
            .split(separator: " ").last.flatMap { Double($0) }
    }

    @Test func everyFaultIsSaidOnceAndNoLineIsLost() throws {
        let disk = try FaultyDisk(in: folder, root: folder.path("events"))
        // Full before the first line.
        disk.fill(leaving: 0)
        let daemon = try LiveDaemon(cameras: door, in: folder, environment: disk.environment)
        let faults: [(said: String, begin: () -> Void)] = [
            ("No space left on device", { disk.fill(leaving: 0) }),
            // A piece of a line still fits.
            ("No space left on device", { disk.fill(leaving: 100) }),
            ("Input/output error", { disk.fail(.write, EIO) }),
            ("fdatasync", { disk.fail(.fdatasync, EIO, times: 1) }),
            ("Input/output error", { disk.fail(.fdatasync, EIO) }),
            (
                "Read-only file system",
                {
                    for call in [FaultyDisk.Call.open, .write, .rename, .mkdir] { disk.fail(call, EROFS) }
                }
            ),
        ]
        for (number, fault) in faults.enumerated() {
            fault.begin()
            let said = { self.count("lines wait in memory until the disk takes them", in: daemon) }
            #expect(holds(within: 60) { said() == number + 1 }, "\(number): \(daemon.journal)")
            #expect(daemon.journal.contains(fault.said))
            if number != 3 {
                #expect(holds(within: 60) { self.metric("hcqd_log_healthy", daemon) == 0 })
                // Longer than a few attempts: it is not said again.
                usleep(2_500_000)
            }
            #expect(said() == number + 1, "\(number): \(daemon.journal)")
            disk.heal()
            let healed = holds(within: 60) {
                self.count("the disk takes lines again, none was lost", in: daemon) == number + 1
            }
            #expect(healed, "\(number): \(daemon.journal)")
            #expect(holds(within: 20) { self.metric("hcqd_log_healthy", daemon) == 1 })
        }
        let ending = daemon.stop()
        #expect(ending.status == 0)
        #expect(ending.seconds < 5)
        daemon.checkStory("door")
        #expect(!daemon.journal.contains("stuck"))
    }

    @Test func aDiskThatHangsHoldsNothingUp() throws {
        let disk = try FaultyDisk(in: folder, root: folder.path("events"))
        let daemon = try LiveDaemon(cameras: door, in: folder, environment: disk.environment)
        try daemon.waitForLines("door") { $0.contains { $0.type == "start" } }
        disk.stall(milliseconds: 4000)
        usleep(1_500_000)
        let before = try #require(metric("hcqd_frames_inferred_total", daemon))
        #expect(holds(within: 20) { (self.metric("hcqd_frames_inferred_total", daemon) ?? 0) > before + 5 })
        // Who looks at the events waits, and nobody else: more viewers than there are threads to answer them.
        let address = "http://127.0.0.1:\(daemon.port)/"
        let viewers = try (0..<2 * ProcessInfo.processInfo.activeProcessorCount + 2).map { _ in
            try Program("/usr/bin/curl", ["-s", "-N", "-m", "20", address + "events?from=1"])
        }
        usleep(500_000)
        let asked = Date()
        let health = try Hcqd.run("/usr/bin/curl", ["-s", "-m", "2.5", address + "healthz"], in: folder)
        #expect(health.text == "ok\n", "\(viewers.count) viewers, \(Date().timeIntervalSince(asked)) s")
        disk.heal()
        usleep(4_500_000)
        #expect(daemon.stop().status == 0)
        daemon.checkStory("door")
    }

    @Test func aRemovedDirectoryIsMadeAgain() throws {
        let daemon = try LiveDaemon(cameras: door, in: folder)
        try daemon.waitForLines("door") { $0.contains { $0.type == "start" } }
        let last = daemon.lines("door").last?.seq ?? 0
        try FileManager.default.removeItem(atPath: folder.path("events"))
        try daemon.waitForLines("door") { ($0.first?.seq ?? 0) > last }
        #expect(daemon.stop().status == 0)
        let numbers = daemon.lines("door").map(\.seq)
        #expect(numbers == Array((numbers.first ?? 0)...(numbers.last ?? 0)))
    }

    @Test func aLogThatAnotherProcessHoldsIsWaitedFor() throws {
        try FileManager.default.createDirectory(atPath: folder.path("events"), withIntermediateDirectories: true)
        let lock = open(folder.path("events/.door.lock"), O_RDWR | O_CREAT, 0o640)
        try #require(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
        let daemon = try LiveDaemon(cameras: door, in: folder)
        #expect(holds(within: 60) { daemon.journal.contains("door.jsonl: another process writes it") })
        #expect(daemon.lines("door").isEmpty)
        close(lock)
        try daemon.waitForLines("door") { $0.contains { $0.type == "camera_online" } }
        #expect(daemon.stop().status == 0)
        daemon.checkStory("door")
    }

    @Test func copytruncateTearsNoLine() throws {
        let daemon = try LiveDaemon(cameras: door, in: folder)
        for turn in 0..<5 {
            try daemon.waitForLines("door") { $0.count > 2 }
            try FileManager.default.copyItem(
                atPath: folder.path("events/door.jsonl"), toPath: folder.path("events/copy.\(turn)"))
            truncate(folder.path("events/door.jsonl"), 0)
        }
        try daemon.waitForLines("door") { !$0.isEmpty }
        #expect(daemon.stop().status == 0)
        var numbers: [Int] = []
        for name in (0..<5).map({ "copy.\($0)" }) + ["door.jsonl"] {
            let text = try folder.data("events/" + name)
            #expect(text.isEmpty || text.last == 0x0a)
            for line in text.split(separator: 0x0a) {
                numbers.append(try JSONDecoder().decode(LiveDaemon.Line.self, from: Data(line)).seq)
            }
        }
        // What came between copying and truncating is a hole, and nothing else is.
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 })
        #expect(numbers.count > 10 && (numbers.last ?? 0) - numbers.count <= 10, "\(numbers)")
    }
}
