import Foundation
import Glibc
import Testing

@testable import Pipeline

/// A datagram socket that listens as systemd does.
final class NotifySocket {
    let path: String
    private let descriptor: Int32

    init() {
        path = NSTemporaryDirectory() + "hcqd-notify-\(UUID().uuidString.prefix(8))"
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        precondition(bound == 0)
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    func next() -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count < 0 ? "(nothing)" : String(decoding: buffer[..<count], as: UTF8.self)
    }
}

@Suite struct ServiceTests {
    @Test func systemdHearsWhatTheProtocolAsksFor() {
        let listener = NotifySocket()
        let notifier = ServiceNotifier(environment: ["NOTIFY_SOCKET": listener.path, "WATCHDOG_USEC": "60000000"])
        #expect(notifier.watchdogMicroseconds == 60_000_000)
        notifier.ready(status: "3 cameras")
        #expect(listener.next() == "READY=1\nSTATUS=3 cameras")
        notifier.reloading()
        let message = listener.next()
        let parts = message.split(separator: "\n")
        #expect(parts.first == "RELOADING=1")
        let stated = Int64(parts.last?.dropFirst("MONOTONIC_USEC=".count) ?? "") ?? 0
        #expect(abs(Double(stated) / 1e6 - monotonicSeconds()) < 5)
        notifier.aliveInTime()
        #expect(listener.next() == "WATCHDOG=1")
        notifier.stopping()
        #expect(listener.next() == "STOPPING=1\nSTATUS=stopping")
    }

    @Test func withoutASocketNothingIsSaid() {
        let notifier = ServiceNotifier(environment: ["WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"])
        #expect(notifier.watchdogMicroseconds == nil)
        notifier.ready(status: "")
    }

    /// A page elsewhere can have a name that begins like an address and lead it here.
    @Test(arguments: [
        ("localhost", true), ("127.0.0.1", true), ("127.1.2.3", true), ("::1", true), ("127.example.org", false),
        ("127.0.0.1.example.org", false), ("127.0.0.1.2", false), ("0.0.0.0", false), ("", false),
    ])
    func onlyNamesOfThisMachineAreLoopback(host: String, expected: Bool) {
        #expect(HTTPSettings.isLoopback(host) == expected)
    }

    @Test func aLoopIsStuckWhenAStepTakesLongerThanItSaid() {
        let watch = LoopWatch()
        let reader = watch.loop("camera door")
        let writer = watch.loop("writer")
        reader.enter("connect", within: -1)
        writer.enter("write", within: 100)
        #expect(watch.stuck() == ["camera door (connect)"])
        reader.enter("read", within: 100)
        #expect(watch.stuck() == [])
        writer.enter("sync", within: -1)
        writer.rest()
        #expect(watch.stuck() == [])
    }

    @Test func aLoopThatIsGoneIsNotStuck() {
        let watch = LoopWatch()
        do {
            let loop = watch.loop("gone")
            loop.enter("step", within: -1)
            #expect(watch.stuck().count == 1)
        }
        #expect(watch.stuck() == [])
    }
}

@Suite struct ReplayProgressTests {
    @Test func showsBarFramesSpeedPeopleAndTimeLeft() {
        let progress = ReplayProgress(frames: 200, expected: 800, people: 7, seconds: 10)
        let line = progress.line(width: 100)
        #expect(line.hasPrefix("[#######"))
        #expect(line.hasSuffix("25%  200/800 frames  20.0 fps  7 people  0:30 left"))
    }

    @Test func withoutALengthThereIsNoBarAndNoTimeLeft() {
        let progress = ReplayProgress(frames: 200, expected: nil, people: 1, seconds: 10)
        #expect(progress.line(width: 100) == "200 frames  20.0 fps  1 people")
    }

    @Test(arguments: [20, 40, 60, 79])
    func neverIsWiderThanTheTerminal(width: Int) {
        let progress = ReplayProgress(frames: 123_456, expected: 999_999, people: 100, seconds: 10)
        #expect(progress.line(width: width).count <= width)
    }

    @Test func timesAreWrittenAsClocks() {
        #expect(clock(0) == "0:00")
        #expect(clock(67) == "1:07")
        #expect(clock(3729) == "1:02:09")
    }
}
