internal import Events
internal import Foundation
internal import Scene

/// What is sent over a connection, and what of it the broker has. Used from the MQTT thread.
final class MQTTPublisher {
    /// Lines on their way at the same time.
    private static let window = 50

    let topics: MQTTTopics
    let tally: MQTTTally
    private let discovers: Bool
    /// Topics that hold what nobody will change any more.
    private var stale: [String]
    private var logs: [Log]
    private let presence: PresenceBoard
    /// What this connection was told of how things are, by topic.
    private var said: [String: String] = [:]
    /// Lines on their way, by the message's number.
    private var underWay: [Int32: (log: Int, sequence: UInt64)] = [:]
    private var lastSave = 0.0

    private struct Log {
        let camera: MQTTService.Camera
        let path: String
        var position: MQTTPosition
        var follower: LogFollower
    }

    /// - Parameter former: Topics in which the configuration before this one left something.
    init(
        _ settings: MQTTSettings, cameras: [MQTTService.Camera], former: [String], storage: StorageSettings,
        presence: PresenceBoard, tally: MQTTTally
    ) {
        self.presence = presence
        self.tally = tally
        topics = MQTTTopics(prefix: settings.prefix)
        discovers = settings.discovery
        stale = Set(former).subtracting(topics.retained(of: cameras, discovers: discovers)).sorted()
        let state = storage.stateDirectory.isEmpty ? storage.directory : storage.stateDirectory
        logs = cameras.map { camera in
            let id = CameraID(camera.name)
            let path = LogPaths(camera: id, directory: storage.directory).active
            let position = MQTTPosition(
                path: "\(state)/.\(LogPaths.fileName(id)).mqtt", start: LogFollower.end(of: path))
            return Log(camera: camera, path: path, position: position, follower: LogFollower(path, from: position.next))
        }
        tally.change {
            $0.positions = Dictionary(uniqueKeysWithValues: logs.map { ($0.camera.name, $0.position.next) })
        }
    }

    /// Says everything that the broker retains, also what it was told before: it may have lost that, or be another one.
    func begin(_ session: MQTTSession) throws(MQTTError) {
        try session.publish(topics.available, Array("online".utf8), retain: true)
        for topic in stale { try session.publish(topic, [], retain: true) }
        stale = []
        for log in logs where discovers {
            for message in topics.discovery(of: log.camera.name, zones: log.camera.zones) {
                try session.publish(message.topic, message.payload, retain: true)
            }
        }
        said = [:]
        try sayPresence(session)
    }

    /// Sends what the cameras said last, and says goodbye.
    func end(_ session: MQTTSession, _ loop: LoopWatch.Loop) throws(MQTTError) {
        for _ in 0..<5 { try step(session, loop) }
        try session.publish(topics.available, Array("offline".utf8), retain: true)
        for _ in 0..<5 { note(try session.run(milliseconds: 20)) }
    }

    /// Sends what is new and hears what has arrived; takes a tenth of a second when there is nothing.
    func step(_ session: MQTTSession, _ loop: LoopWatch.Loop) throws(MQTTError) {
        try sayPresence(session)
        // A disk that hangs must not have the daemon killed, with the lines that wait in its memory.
        loop.rest()
        for i in logs.indices where underWay.count < Self.window {
            // A log that cannot be read now is read with the next step.
            let lines = (try? logs[i].follower.read(limit: Self.window - underWay.count)) ?? []
            for line in lines {
                let number = try session.publish(topics.events, line.bytes)
                underWay[number] = (i, line.sequence)
            }
        }
        if monotonicSeconds() - lastSave > 1 { savePositions() }
        loop.enter("send", within: 60)
        note(try session.run(milliseconds: underWay.isEmpty ? 100 : 10))
    }

    func savePositions() {
        lastSave = monotonicSeconds()
        // A position that cannot be written now is written with the next one; until then lines may come twice.
        for i in logs.indices { try? logs[i].position.save() }
    }

    /// Hears what the broker has taken.
    func note(_ acknowledged: [Int32]) {
        for number in acknowledged {
            guard let (log, sequence) = underWay.removeValue(forKey: number) else { continue }
            let expected = underWay.values.filter { $0.log == log }.map(\.sequence)
            logs[log].position.acknowledge(sequence, wasExpected: expected)
            tally.change {
                $0.delivered += 1
                $0.positions[logs[log].camera.name] = logs[log].position.next
            }
        }
    }

    /// Counts and states as they are now, as far as they are news, retained for those who come later.
    private func sayPresence(_ session: MQTTSession) throws(MQTTError) {
        for log in logs {
            for (topic, text) in topics.presence(presence[log.camera.name], of: log.camera) where said[topic] != text {
                try session.publish(topic, Array(text.utf8), retain: true)
                said[topic] = text
            }
        }
    }
}
