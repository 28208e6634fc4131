internal import Dispatch
internal import Events
internal import Foundation
internal import Logging
internal import Scene
internal import Synchronization

/// Sends the event logs to an MQTT broker: every line at least once, in order, from where the broker has acknowledged.
///
/// What is sent is read from the logs on disk, so that a broker that is away for a day, or a daemon that is killed, loses
/// nothing. What the broker retains is how things are now.
final class MQTTService: Sendable {
    struct Camera: Sendable {
        let name: String
        let zones: [String]
    }

    private let isEnding = Atomic(false)
    private let ended = DispatchSemaphore(value: 0)

    init(
        _ settings: MQTTSettings, username: String, password: String, cameras: [Camera], former: [String],
        storage: StorageSettings, presence: PresenceBoard, tally: MQTTTally, watch: LoopWatch, logger: Logger
    ) {
        let loop = watch.loop("mqtt")
        let thread = Thread { [self] in
            let publisher = MQTTPublisher(
                settings, cameras: cameras, former: former, storage: storage, presence: presence, tally: tally)
            run(settings, username, password, publisher, loop, logger)
            tally.change { $0.isConnected = false }
            loop.rest()
            ended.signal()
        }
        thread.name = "mqtt"
        thread.start()
    }

    /// Ends the connection; what was not sent is sent after the next start.
    func stop() {
        isEnding.store(true, ordering: .relaxed)
        _ = ended.wait(timeout: .now() + 1.2)
    }

    private var goesOn: Bool { !isEnding.load(ordering: .relaxed) }

    private func run(
        _ settings: MQTTSettings, _ username: String, _ password: String, _ publisher: MQTTPublisher,
        _ loop: LoopWatch.Loop,
        _ logger: Logger
    ) {
        var backOff = BackOff()
        var reports = RepeatedReports()
        let session: MQTTSession
        do throws(MQTTError) {
            session = try MQTTSession(
                settings, username: username, password: password, will: (publisher.topics.available, "offline"))
        } catch {
            logger.error("mqtt is off: \(error)")
            return
        }
        while goesOn {
            var good = 0.0
            do throws(MQTTError) {
                loop.enter("connect", within: 60)
                try session.connect()
                try wait(for: session, publisher, loop)
                let since = monotonicSeconds()
                defer { good = monotonicSeconds() - since }
                publisher.tally.change { $0.isConnected = true }
                logger.notice("mqtt: connected to \(settings.host):\(settings.port)")
                try publisher.begin(session)
                while goesOn {
                    try publisher.step(session, loop)
                }
                try publisher.end(session, loop)
                session.disconnect()
            } catch {
                publisher.tally.change { ($0.isConnected, $0.failures) = (false, $0.failures + 1) }
                loop.rest()
                publisher.savePositions()
                let text = "mqtt \(settings.host):\(settings.port): \(error)"
                if let line = reports.note("mqtt", text, now: monotonicSeconds()) { logger.warning("\(line)") }
                pause(backOff.failed(after: good, chance: Double.random(in: 0...1)), loop)
            }
        }
        publisher.savePositions()
    }

    private func wait(
        for session: MQTTSession, _ publisher: MQTTPublisher, _ loop: LoopWatch.Loop
    ) throws(MQTTError) {
        let deadline = monotonicSeconds() + 15
        while !session.isConnected {
            guard goesOn, monotonicSeconds() < deadline else { throw MQTTError(call: "connect", reason: "no answer") }
            publisher.note(try session.run(milliseconds: 100))
        }
    }

    private func pause(_ seconds: Double, _ loop: LoopWatch.Loop) {
        let end = monotonicSeconds() + seconds
        while goesOn, monotonicSeconds() < end {
            loop.enter("wait", within: 30)
            usleep(100_000)
        }
    }
}

extension MQTTError {
    init(call: String, reason: String) {
        self.call = call
        self.reason = reason
    }
}
