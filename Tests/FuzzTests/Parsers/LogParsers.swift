import Foundation
import Scene

@testable import Events

/// Logs that disks have damaged and files that are no logs, for recovery and for those who read logs.
extension FuzzedParser {
    static let logParsers = [
        FuzzedParser(
            name: "log-line", words: logWords, corpus: story.split(separator: 0x0a).map(Array.init), count: 5000
        ) { input, _ in
            guard let line = LogLine(input) else { throw Refused() }
            _ = (line.report(), line.time, line.trackID)
        },
        FuzzedParser(
            name: "log-recovery", words: logWords, corpus: [story, story + story, state], count: 300, read: recover),
        FuzzedParser(
            name: "log-reading", words: logWords, corpus: [story, story + story], count: 1000, read: readLog),
        FuzzedParser(
            name: "time", words: ["T", "Z", "-", "+", ":"],
            corpus: ["2026-11-22T17:03:09.125Z", "2026-11-22", "2026-11-22T17:03+01:00"].map { Array($0.utf8) },
            count: 5000
        ) { input, _ in
            guard let time = Timestamp.utcMicroseconds(String(decoding: input, as: UTF8.self)) else { throw Refused() }
            let again = Timestamp.utcMicroseconds(Timestamp.text(utcMicroseconds: time))
            // An offset can lead out of the years 0000 to 9999.
            let isWritten = (-62_167_219_200_000_000..<253_402_300_800_000_000).contains(time)
            try Violation.unless(
                !isWritten || again.map { (0..<1000).contains(time - $0) } ?? false, "a time is read as it was written")
        },
    ]

    private static let logWords = [
        "start", "update", "end", "zone_entered", "zone_left", "occupancy", "camera_online", "events_dropped", "seq",
        "pts", "id",
        "door-000001", "mask", "counts", "size", "path", "ground", "keypoints", "\n", "\n\n", "\0", "{", "}", "null",
        "[]", "\"\"",
        "2026-11-22T17:03:09.125Z", "0000-00-00T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "\u{e9}", "\\ud83d",
        "count",
    ]

    private static let state = Array(
        #"{"next_ordinal":201,"next_sequence":10001,"session_sequence":1,"version":1}"#.utf8)

    @Sendable private static func recover(_ input: [UInt8], _ folder: FuzzFolder) throws {
        let camera = CameraID("door")
        let paths = LogPaths(camera: camera, directory: folder.path, stateDirectory: folder.path + "/state")
        folder.removeFiles()
        // Some of the input is the state, some a log that was put aside, the rest the log.
        let pieces = input.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false).map(Array.init)
        try FileManager.default.createDirectory(atPath: folder.path + "/state", withIntermediateDirectories: true)
        _ = try folder.write(pieces.count > 1 ? pieces[1] : state, "state/door.state.json")
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
        try Violation.unless(written.last == 0x0a, "recovery leaves no torn line")
        try Violation.unless(
            LogLine(written.split(separator: 0x0a).last ?? []) != nil, "the last line after recovery can be read")
    }

    @Sendable private static func readLog(_ input: [UInt8], _ folder: FuzzFolder) throws {
        let path = try folder.write(input, "x.jsonl")
        var digest = LogDigest()
        try LogReader.read(path) { line, _ in digest.take(line) }
        _ = (SummaryTable.text(digest), OccupancyPlot.svg(digest), ReplayReport(digest, title: "x") { _ in nil }.html())
        var follower = LogFollower(path)
        _ = try follower.read()
    }
}
