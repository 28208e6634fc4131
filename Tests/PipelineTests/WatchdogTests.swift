import Dispatch
import Foundation
import Glibc
import Logging
import Synchronization
import Testing

@testable import Pipeline

/// Keeps what is logged.
private struct HeardLog: LogHandler {
    let lines: Collected<String>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.append("\(event.message)") }
}

@Suite struct WatchdogTests {
    @Test func aStuckLoopStopsTheFeedingUntilItMovesAgain() {
        let socket = NotifySocket()
        let lines = Collected<String>()
        let watch = LoopWatch()
        let feeder = WatchdogFeeder(
            watch: watch, notifier: ServiceNotifier(environment: ["NOTIFY_SOCKET": socket.path]),
            logger: Logger(label: "test") { _ in HeardLog(lines: lines) })
        let (camera, worker) = (watch.loop("camera door"), watch.loop("engine worker 0"))
        camera.enter("read", within: 100)
        worker.enter("a frame of door", within: 100)
        feeder.feed()
        #expect(socket.next() == "WATCHDOG=1")
        worker.enter("a frame of door", within: -1)
        for _ in 0..<20 { feeder.feed() }
        #expect(socket.next() == "(nothing)")
        #expect(lines.all == ["stuck: engine worker 0 (a frame of door); the watchdog is not fed"])
        worker.rest()
        feeder.feed()
        #expect(socket.next() == "WATCHDOG=1")
    }

    /// A loop that really hangs: a worker whose detector does not return.
    @Test func aWorkerThatHangsInAFrameIsStuck() throws {
        let watch = LoopWatch()
        let gate = DispatchSemaphore(value: 0)
        let engine = EngineWorkers(count: 1, watch: watch, patience: 0.2) {
            { _ in
                gate.wait()
                return []
            }
        }
        let done = DispatchSemaphore(value: 0)
        let seat = engine.seat(Mailbox(.latest), on: DispatchQueue(label: "test")) { _ in done.signal() }
        _ = engine.submit(sampleFrame(0), at: seat)
        let deadline = monotonicSeconds() + 30
        while watch.stuck().isEmpty, monotonicSeconds() < deadline { usleep(10_000) }
        #expect(watch.stuck() == ["engine worker 0 (a frame of door)"])
        gate.signal()
        done.wait()
        engine.drain()
        #expect(watch.stuck().isEmpty)
    }
}
