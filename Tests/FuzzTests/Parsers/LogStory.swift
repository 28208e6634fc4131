import Scene

@testable import Events

extension FuzzedParser {
    /// A log: a small story with every kind of key.
    static let story: [UInt8] = {
        func time(_ seconds: Double) -> StreamTime {
            StreamTime(
                microseconds: Int64(seconds * 1e6), utcMicroseconds: 1_700_000_000_000_000 + Int64(seconds * 1e6))
        }
        let camera = CameraID("door")
        func report(_ ordinal: UInt64, _ seconds: Double) -> TrackReport {
            let size = PixelSize(width: 8, height: 4)
            let joints = (0..<17).map { Keypoint(position: Point(x: Float($0) / 17, y: 0.5), confidence: 0.5) }
            let person = Person(
                box: Box(x0: 0.1, y0: 0.2, x1: 0.3, y1: 0.9), score: 0.9, keypoints: joints,
                mask: Mask(size: size, runs: [5, 7, 20]))
            let track = Track(
                id: TrackID(camera: camera, ordinal: ordinal), state: .seen, person: person, firstSeen: time(0),
                lastSeen: time(seconds), visible: 0.5)
            return TrackReport(
                track: track, topScore: 0.95, size: PixelSize(width: 640, height: 480),
                ground: GroundPoint(point: Point(x: 0.2, y: 0.9), source: .ankles), zones: ["yard"],
                enteredZones: ["yard"],
                stationary: false, posture: .upright,
                path: [PathPoint(point: Point(x: 0.2, y: 0.9), microseconds: 1000)])
        }
        let id = TrackID(camera: camera, ordinal: 1)
        let kinds: [(Double, Event.Kind)] = [
            (0, .camera(CameraChange(.online, attempt: 1))), (1, .start(report(1, 1))),
            (2, .zoneEntered(id, zone: "yard")),
            (2, .occupancy(zone: "yard", count: 1)), (3, .update(report(1, 3))),
            (4, .posture(id, .fallen, since: time(3))),
            (5, .lineCrossed(id, line: "gate", direction: .left)), (6, .start(report(2, 6))),
            (7, .zoneLeft(id, zone: "yard", dwell: 5)),
            (8, .end(report(1, 8), reason: .left)),
            (9, .eventsDropped(EventLoss(count: ["update": 3], since: time(8)))),
        ]
        return kinds.enumerated().flatMap { number, entry in
            EventRecord.line(
                Event(camera: camera, time: time(entry.0), kind: entry.1), sequence: UInt64(number + 1), clock: .wall)
        }
    }()
}
