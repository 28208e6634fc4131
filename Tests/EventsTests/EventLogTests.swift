internal import Foundation
internal import Scene
internal import Testing

@testable internal import Events

/// The log on the machine's own disk.
@Suite struct EventLogTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "hcqd-log-\(UUID().uuidString)").path

    private var paths: LogPaths { LogPaths(camera: Made.camera, directory: directory) }

    private func open(_ settings: LogSettings = LogSettings()) throws(EventLogError) -> EventLog {
        try EventLog(camera: Made.camera, paths: paths, settings: settings)
    }

    /// A turn of its timer may keep the old one for a moment.
    private func openAfterACrash() throws(EventLogError) -> EventLog {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            do { return try open() } catch {
                guard case .locked = error, ContinuousClock.now < deadline else { throw error }
                usleep(1000)
            }
        }
    }

    private func read(_ path: String? = nil) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(filePath: path ?? paths.active)))
    }

    private func lines(_ path: String? = nil) throws -> [LogLine] {
        try read(path).split(separator: 0x0a).map { try #require(LogLine($0)) }
    }

    private func removeAll() { try? FileManager.default.removeItem(atPath: directory) }

    @Test func numbersGoOnAcrossRestarts() throws {
        defer { removeAll() }
        let first = try open()
        #expect(first.firstOrdinal == 1)
        first.append([Made.start(1, at: 0), Made.end(1, at: 1)])
        try first.close(nextOrdinal: 2)
        let second = try open()
        #expect(second.firstOrdinal == 2)
        #expect(second.recovered.isEmpty)
        second.append([Made.start(2, at: 2), Made.end(2, at: 3)])
        try second.close(nextOrdinal: 3)
        #expect(try lines().map(\.seq) == [1, 2, 3, 4])
        #expect(try JSONSchema.complaints(about: read()) == "")
    }

    /// logrotate with `dateext`, then a crash before the next line: the story goes on from the dated file.
    @Test func aCrashRightAfterADatedRenamingIsCompleted() throws {
        defer { removeAll() }
        let first = try open()
        first.append([Made.start(1, at: 0), Made.end(1, at: 1)])
        try first.close(nextOrdinal: 2)
        try FileManager.default.moveItem(atPath: paths.active, toPath: paths.active + ".1")
        var crashed: EventLog? = try open()
        crashed?.append([Made.start(2, at: 2)])
        crashed?.flush()
        try FileManager.default.moveItem(atPath: paths.active, toPath: paths.active + "-20260131")
        crashed = nil
        let next = try openAfterACrash()
        try next.close(nextOrdinal: 3)
        #expect(try lines().map(\.seq) == [4])
        #expect(try lines().map(\.type) == ["end"])
        #expect(try LogReader.files([paths.active]).count == 3)
    }

    @Test func numbersOfLogsThatAreGoneAreNotGivenAgain() throws {
        defer { removeAll() }
        for ordinal: UInt64 in 1...3 {
            let log = try open()
            log.append([Made.start(ordinal, at: 0), Made.end(ordinal, at: 1)])
            try log.close(nextOrdinal: ordinal + 1)
            if ordinal == 1 { try FileManager.default.moveItem(atPath: paths.active, toPath: paths.active + ".1") }
        }
        try FileManager.default.removeItem(atPath: paths.active)
        let next = try open()
        next.append([Made.start(4, at: 2)])
        try next.close(nextOrdinal: 5)
        #expect(try lines().map(\.seq) == [7])
    }

    @Test func aCrashIsCompletedAtTheNextStart() throws {
        defer { removeAll() }
        var crashed: EventLog? = try open()
        crashed?.append([
            Made.start(5, at: 0), Made.event(.zoneEntered(Made.id(5), zone: "yard"), at: 1),
            Made.event(.occupancy(zone: "yard", count: 1), at: 1), Made.update(5, at: 4),
        ])
        crashed?.flush()
        crashed = nil  // gone without a word
        let torn = FileHandle(forWritingAtPath: paths.active)
        try torn?.seekToEnd()
        try torn?.write(contentsOf: Data(#"{"v":1,"seq":5,"type":"upd"#.utf8))
        try torn?.close()

        let next = try openAfterACrash()
        #expect(next.cutBytes == 26)
        #expect(next.firstOrdinal > 5)
        try next.close(nextOrdinal: next.firstOrdinal)
        let all = try lines()
        #expect(all.map(\.type) == ["start", "zone_entered", "occupancy", "update", "zone_left", "end", "occupancy"])
        #expect(all.map(\.seq) == Array(1...7))
        #expect(all[4].dwell == 3)
        #expect(all[5].reason == "restart")
        #expect(all[5].end == Timestamp.text(utcMicroseconds: Made.time(4).utcMicroseconds))
        #expect(all[6].count == 0)
        #expect(try open().recovered.isEmpty)
        #expect(try JSONSchema.complaints(about: read()) == "")
    }

    @Test(arguments: [1, 2, 5]) func aLineLongerThanAnyOfOursIsCut(times: Int) throws {
        defer { removeAll() }
        let first = try open()
        first.append([Made.start(1, at: 0), Made.end(1, at: 1)])
        try first.close(nextOrdinal: 2)
        let foreign = Data(repeating: 0x78, count: times * EventRecord.maximumBytes + 7) + [0x0a]
        let log = FileHandle(forWritingAtPath: paths.active)
        try log?.seekToEnd()
        try log?.write(contentsOf: foreign)
        try log?.close()

        let next = try open()
        #expect(next.cutBytes == foreign.count)
        try next.close(nextOrdinal: next.firstOrdinal)
        #expect(try lines().map(\.seq) == [1, 2])
    }

    @Test func aClosedLogIsFreeAlthoughAProgramIsBeingStarted() throws {
        defer { removeAll() }
        let files = RealFileSystem()
        try files.makeDirectory(paths.directory)
        let first = try files.open(paths.lock, flags: O_RDWR | O_CREAT)
        #expect(try files.lock(first, path: paths.lock))
        // As a child has it between fork and exec.
        let copy = dup(first)
        defer { files.close(copy) }
        files.close(first)
        try open().close(nextOrdinal: 1)
    }

    @Test func aSecondProcessIsKeptAway() throws {
        defer { removeAll() }
        let first = try open()
        #expect(throws: EventLogError.locked(path: paths.active)) { try open() }
        try first.close(nextOrdinal: 1)
        try open().close(nextOrdinal: 1)
    }

    @Test func renameAndReopenLoseNoLine() throws {
        defer { removeAll() }
        let log = try open()
        log.append([Made.start(1, at: 0)])
        log.flush()
        try FileManager.default.moveItem(atPath: paths.active, toPath: paths.active + ".1")
        log.reopen()
        log.append([Made.update(1, at: 1)])
        log.flush()
        // Without a signal: the writer notices by itself.
        try FileManager.default.moveItem(atPath: paths.active, toPath: directory + "/aside")
        log.append([Made.end(1, at: 2)])
        try log.close(nextOrdinal: 2)
        #expect(try lines(paths.active + ".1").map(\.seq) == [1])
        #expect(try lines(directory + "/aside").map(\.seq) == [2])
        #expect(try lines().map(\.seq) == [3])
    }

    @Test func rotatesBySizeAndByAge() throws {
        defer { removeAll() }
        var settings = LogSettings()
        settings.rotateHours = 1
        let log = try open(settings)
        log.append([Made.start(1, at: 0), Made.update(1, at: 3500), Made.update(1, at: 3600), Made.end(1, at: 3601)])
        try log.close(nextOrdinal: 2)
        #expect(try lines(paths.active + ".000000000001").map(\.seq) == [1, 2])
        #expect(try lines().map(\.seq) == [3, 4])
        #expect(try open().recovered.isEmpty)
    }

    @Test func filesAreNotForEveryone() throws {
        defer { removeAll() }
        let log = try open()
        log.append([Made.start()])
        try log.close(nextOrdinal: 2)
        let mode = try FileManager.default.attributesOfItem(atPath: paths.active)[.posixPermissions] as? Int
        #expect(mode == 0o640)
    }

    @Test func aReplayReplacesItsLog() throws {
        defer { removeAll() }
        for _ in 0..<2 {
            let log = try EventLog(replay: directory + "/clip.jsonl", camera: Made.camera, clock: .epoch)
            log.append([Made.start(1, at: 0), Made.end(1, at: 1)])
            try log.close(nextOrdinal: 2)
        }
        #expect(try lines(directory + "/clip.jsonl").map(\.seq) == [1, 2])
    }
}
