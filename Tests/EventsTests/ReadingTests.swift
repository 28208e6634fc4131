internal import Foundation
internal import Scene
internal import Testing

@testable internal import Events

#if canImport(FoundationXML)
    internal import FoundationXML
#endif

@Suite struct ReadingTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "hcqd-reading-\(UUID().uuidString)")
        .path

    private func removeAll() { try? FileManager.default.removeItem(atPath: directory) }

    /// Two people cross a line and a zone, one of them falls; then a loss is told.
    private static let lines: [[UInt8]] = {
        var settings = EventSettings()
        settings.lines = [LineSettings(name: "door <1>", a: Point(x: 0.5, y: 1), b: Point(x: 0.5, y: 0))]
        settings.zones = [
            ZoneSettings(
                name: "yard", polygon: [(0.3, 0.5), (0.7, 0.5), (0.7, 1), (0.3, 1)].map { Point(x: $0, y: $1) })
        ]
        let walk: Theatre.Part = {
            Figure(pose: .walking(phase: Float($0)), feet: Point(x: Float(0.15 + 0.13 * $0), y: 0.9))
        }
        let fall: Theatre.Part = {
            Figure(pose: $0 < 6 ? .standing : .tilted(Float(min(90, ($0 - 6) * 180))), feet: Point(x: 0.5, y: 0.8))
        }
        let theatre = Theatre(settings: settings, parts: [(0, 9, walk), (2, 14, fall)], length: 15)
        let loss = Made.event(.eventsDropped(EventLoss(count: ["update": 2], since: Made.time(14))), at: 15)
        let events = theatre.play()
        return events.enumerated().map { EventRecord.line($0.element, sequence: UInt64($0.offset + 1), clock: .epoch) }
            + [EventRecord.line(loss, sequence: UInt64(events.count + 3), clock: .epoch)]
    }()

    private var digest: LogDigest {
        var digest = LogDigest()
        for line in Self.lines { LogLine(line.dropLast()).map { digest.take($0) } }
        return digest
    }

    private func matching(_ change: (inout LogFilter) -> Void) -> [String] {
        var filter = LogFilter()
        change(&filter)
        return Self.lines.compactMap { LogLine($0.dropLast()) }.filter(filter.matches).map(\.type)
    }

    @Test func filtersByEverything() {
        #expect(matching { _ in }.count == Self.lines.count)
        #expect(matching { $0.types = ["line_crossed", "end"] }.sorted() == ["end", "end", "line_crossed"])
        #expect(matching { $0.ids = ["door-000002"] }.filter { $0 == "start" }.count == 1)
        #expect(matching { $0.lines = ["door <1>"] } == ["line_crossed"])
        #expect(matching { $0.cameras = ["gate"] } == [])
        #expect(matching { $0.zones = ["yard"] }.contains("zone_left"))
        #expect(!matching { $0.zones = ["yard"] }.contains("line_crossed"))
        let start = Made.time(0).utcMicroseconds
        #expect(matching { $0.until = start + 1 }.first == "start")
        #expect(matching { $0.since = start + 15_000_000 } == ["events_dropped"])
    }

    @Test func compressedLogsAreNoGarbageAndAreNamed() throws {
        defer { removeAll() }
        try FileManager.default.createDirectory(
            atPath: directory + "/pictures.jsonl", withIntermediateDirectories: true)
        let log = directory + "/door.jsonl"
        try Data(Self.lines.joined()).write(to: URL(filePath: log))
        try Data([0x1f, 0x8b, 8, 0, 0x0a, 0x0a]).write(to: URL(filePath: log + ".2.gz"))
        #expect(throws: CompressedLog(path: log + ".2.gz")) { try LogReader.read(log + ".2.gz") { _, _ in } }
        #expect(try LogReader.files([directory]) == [log])
        #expect(try LogReader.compressedParts(of: [log, "-"]) == [log + ".2.gz"])
    }

    @Test func putsTogetherWhatHappened() {
        let camera = digest.cameras[0]
        #expect(camera.people.count == 2)
        #expect(camera.people.map(\.reason) == ["left", "left"])
        #expect(camera.presence.map(\.count) == [1, 2, 1, 0])
        #expect(camera.zones["yard"]?.visits == 2)
        #expect(camera.zones["yard"]?.most == 2)
        #expect(camera.crossings["door <1>"]?.right.count == 1)
        #expect(camera.people[1].moments.map(\.text).contains("fallen"))
        #expect(camera.holes == 2)
        #expect(camera.dropped == ["update": 2])
        let table = SummaryTable.text(digest)
        #expect(table.contains("2 numbers are missing, 2 lines are said to be dropped"))
        #expect(table.contains("people        2\n  most at once  2\n  ended: left   2\n"))
        #expect(table.contains("zone  visits  most  mean stay s  loitered\n  yard       2     2"))
    }

    @Test func plotAndReportAreWellFormed() throws {
        let svg = OccupancyPlot.svg(digest)
        #expect(isWellFormed(svg))
        #expect(svg.contains("door &lt;1&gt;"))
        let page = ReplayReport(digest, title: "a & b", scene: [0xff, 0xd8]) { _ in nil }.html()
        #expect(
            isWellFormed(
                page.replacingOccurrences(of: "<!DOCTYPE html>", with: "").replacingOccurrences(
                    of: #"<meta charset="utf-8">"#, with: ""
                ).replacingOccurrences(
                    of: #"<meta name="viewport" content="width=device-width, initial-scale=1">"#, with: ""
                )
                .replacingOccurrences(of: "<br>", with: "")))
        #expect(page.contains("data:image/jpeg;base64,/9g="))
        #expect(
            !page.contains("http://")
                || page.components(separatedBy: "http://").dropFirst().allSatisfy { $0.hasPrefix("www.w3.org") })
    }

    private func isWellFormed(_ xml: String) -> Bool { XMLParser(data: Data(xml.utf8)).parse() }

    @Test func readsRotatedPartsWithTheirLog() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { removeAll() }
        let names = ["door.jsonl.000000000001", "door.jsonl.000000000004", "door.jsonl"]
        for (i, name) in names.enumerated() {
            try Data(Self.lines[i] + Array("not a line\n".utf8)).write(to: URL(filePath: directory + "/" + name))
        }
        #expect(try LogReader.files([directory]) == names.map { directory + "/" + $0 })
        #expect(try LogReader.files([directory + "/door.jsonl"]) == names.map { directory + "/" + $0 })
        var numbers: [UInt64] = []
        var unreadable = 0
        for file in try LogReader.files([directory]) {
            unreadable += try LogReader.read(file) { line, _ in numbers.append(line.seq) }
        }
        #expect(numbers == [1, 2, 3])
        #expect(unreadable == 3)
        #expect(throws: SystemFailure.self) { try LogReader.read(directory + "/none.jsonl") { _, _ in } }
    }

    @Test func followsThroughRotationAndTruncation() throws {
        defer { removeAll() }
        let paths = LogPaths(camera: Made.camera, directory: directory)
        let log = try EventLog(camera: Made.camera, paths: paths)
        var follower = LogFollower(paths.active)
        func poll() throws -> [UInt64] { try follower.read().map(\.sequence) }
        log.append([Made.start(1, at: 0)])
        log.flush()
        #expect(try poll() == [1])
        #expect(try poll() == [])
        log.append([Made.update(1, at: 1)])
        log.flush()
        try FileManager.default.moveItem(atPath: paths.active, toPath: paths.active + ".1")
        log.append([Made.update(1, at: 2)])
        log.flush()
        #expect(try poll() == [2, 3])
        truncate(paths.active, 0)
        #expect(try poll() == [])
        log.append([Made.end(1, at: 3)])
        try log.close(nextOrdinal: 2)
        #expect(try poll() == [4])
    }
}
