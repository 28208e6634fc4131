import Foundation
import Scene
import Testing

@testable import Events

/// Logs that disks have damaged and files that are no logs, for recovery and for those who read logs.
@Suite(.serialized) struct LogFuzzTests {
    private let folder: FuzzFolder
    private let camera = CameraID("door")

    init() throws { folder = try FuzzFolder() }

    private static let words = [
        "start", "update", "end", "zone_entered", "zone_left", "occupancy", "camera_online", "events_dropped", "seq",
        "pts", "id",
        "door-000001", "mask", "counts", "size", "path", "ground", "keypoints", "\n", "\n\n", "\0", "{", "}", "null",
        "[]", "\"\"",
        "2026-11-22T17:03:09.125Z", "0000-00-00T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "\u{e9}", "\\ud83d",
        "count",
    ]

    /// A small story with every kind of key.
    private static let story: [UInt8] = {
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

    private static let state = Array(
        #"{"next_ordinal":201,"next_sequence":10001,"session_sequence":1,"version":1}"#.utf8)

    @Test func lines() throws {
        let corpus = Self.story.split(separator: 0x0a).map(Array.init)
        try FuzzRun("log-line", words: Self.words, corpus: corpus)(count: 5000) { input in
            guard let line = LogLine(input) else { throw Refused() }
            _ = (line.report(), line.time, line.trackID)
        }
    }

    @Test func recovery() throws {
        let paths = LogPaths(camera: camera, directory: folder.path, stateDirectory: folder.path + "/state")
        let fuzz = FuzzRun(
            "log-recovery", words: Self.words, corpus: [Self.story, Self.story + Self.story, Self.state])
        try fuzz(count: 300) { input in
            folder.removeAll()
            // Some of the input is the state, some a log that was put aside, the rest the log.
            let pieces = input.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false).map(Array.init)
            try FileManager.default.createDirectory(atPath: folder.path + "/state", withIntermediateDirectories: true)
            _ = try folder.write(pieces.count > 1 ? pieces[1] : Self.state, "state/door.state.json")
            if pieces.count > 2 { _ = try folder.write(pieces[2], "door.jsonl.000000000001") }
            _ = try folder.write(pieces[0], "door.jsonl")
            let log = try EventLog(camera: camera, paths: paths)
            log.append([
                Event(
                    camera: camera, time: StreamTime(microseconds: 0, utcMicroseconds: 0),
                    kind: .camera(CameraChange(.online)))
            ])
            try log.close(nextOrdinal: log.firstOrdinal)
            let written = try [UInt8](Data(contentsOf: URL(fileURLWithPath: paths.active)))
            #expect(written.last == 0x0a, "recovery left a torn line")
            #expect(LogLine(written.split(separator: 0x0a).last ?? []) != nil, "recovery's last line cannot be read")
        }
    }

    @Test func reading() throws {
        try FuzzRun("log-reading", words: Self.words, corpus: [Self.story, Self.story + Self.story])(count: 1000) {
            input in
            let path = try folder.write(input, "x.jsonl")
            var digest = LogDigest()
            try LogReader.read(path) { line, _ in digest.take(line) }
            _ = (
                SummaryTable.text(digest), OccupancyPlot.svg(digest),
                ReplayReport(digest, title: "x") { _ in nil }.html()
            )
            var follower = LogFollower(path)
            _ = try follower.read()
        }
    }

    @Test func times() throws {
        let corpus = ["2026-11-22T17:03:09.125Z", "2026-11-22", "2026-11-22T17:03+01:00"].map { Array($0.utf8) }
        try FuzzRun("time", words: ["T", "Z", "-", "+", ":"], corpus: corpus)(count: 5000) { input in
            guard let time = Timestamp.utcMicroseconds(String(decoding: input, as: UTF8.self)) else { throw Refused() }
            #expect(Timestamp.utcMicroseconds(Timestamp.text(utcMicroseconds: time)) == time / 1000 * 1000)
        }
    }
}
