internal import Glibc
internal import Scene
internal import Testing
internal import TestTools

@testable internal import Events

/// A disk that is full, broken, read-only or gone while the daemon stays up.
@Suite struct FailingDiskTests {
    private let disk = FaultyDisk()
    private let paths = LogPaths(
        camera: Made.camera, directory: "/log", stateDirectory: "/state", pictures: "/pictures")
    private var settings = LogSettings()

    private func open() throws -> LogOpening {
        try LogOpening(live: Made.camera, paths: paths, settings: settings, files: disk, now: 0)
    }

    private func lines(_ path: String? = nil) throws -> [LogLine] {
        try (disk.content(path ?? paths.active) ?? []).split(separator: 0x0a).map { try #require(LogLine($0)) }
    }

    @Test mutating func aFullDiskDropsUpdatesFirstAndSaysSo() throws {
        settings.memoryBytes = 4000
        var log = try open()
        log.ring.append([Made.start(1, at: 0)])
        log.writer.work(now: 0)
        disk.plan.capacity = disk.names.reduce(0) { $0 + (disk.content($1)?.count ?? 0) } + 100
        log.ring.append((1...30).map { Made.update(1, at: Double($0)) } + [Made.end(1, at: 31)])
        log.writer.work(now: 1)
        #expect(log.writer.failure?.cause.code == ENOSPC)
        #expect(disk.content(paths.active)?.last == 0x0a, "the piece that fitted is taken back")
        log.ring.append([Made.start(2, at: 32), Made.end(2, at: 33)])
        #expect(log.ring.load.bytes <= 4000)

        disk.plan.capacity = .max
        log.writer.work(now: 2)
        #expect(try lines().count == 1, "not before a second has passed")
        log.writer.work(now: 1_100_000)
        #expect(log.writer.isSettled)
        let all = try lines()
        let types = all.map(\.type)
        #expect(types.last == "events_dropped")
        #expect(types.filter { $0 == "start" }.count == 2)
        #expect(types.filter { $0 == "end" }.count == 2)
        let loss = try #require(all.last)
        #expect(loss.counts == ["update": 30 - types.filter { $0 == "update" }.count])
        let holes = Int(loss.seq) - all.count
        #expect(holes > 0)
        #expect(holes == loss.counts?.values.reduce(0, +), "a hole in seq is what was lost")
        #expect(try JSONSchema.complaints(about: disk.content(paths.active) ?? []) == "")
    }

    @Test mutating func withoutUpdatesTheOldestGo() throws {
        settings.memoryBytes = 2000
        let log = try open()
        disk.plan.failing["write"] = EIO
        log.ring.append((1...30).map { Made.event(.occupancy(zone: "yard", count: $0), at: 0) })
        var log2 = log
        log2.writer.work(now: 0)
        disk.plan.failing = [:]
        log2.writer.work(now: 1_000_000)
        let counts = try lines().compactMap(\.count)
        #expect(counts.last == 30)
        #expect(counts.count < 30)
        #expect(try lines().last?.counts?["occupancy"] == 30 - counts.count)
    }

    @Test func aRemovedDirectoryIsMadeAgainWithItsLock() throws {
        var log = try open()
        log.ring.append([Made.start(1, at: 0)])
        log.writer.work(now: 0)
        disk.removeDirectory("/log")
        log.ring.append([Made.end(1, at: 1)])
        log.writer.work(now: 1)
        #expect(try lines().map(\.type) == ["end"])
        #expect(throws: EventLogError.locked(path: paths.active)) { try open() }
    }

    @Test func whoTookTheLockOfARemovedDirectoryIsWaitedFor() throws {
        var log = try open()
        disk.removeDirectory("/log")
        var other = try open()
        other.ring.append([Made.start(7, at: 0)])
        other.writer.work(now: 0)
        log.ring.append([Made.start(1, at: 0)])
        log.writer.work(now: 0)
        #expect(log.writer.failure?.cause.call == "flock")
        #expect(try lines().count == 1)
        other.writer.close(nextOrdinal: 2, now: 1)
        disk.close(other.writer.lock)
        log.writer.work(now: 2_000_000)
        #expect(log.writer.failure == nil)
        #expect(try lines().map(\.type) == ["start", "start"])
    }

    @Test func whatAFailedSyncForgotIsWrittenAgain() throws {
        var log = try open()
        disk.plan.failing["fdatasync"] = EIO
        log.ring.append([Made.start(1, at: 0), Made.end(1, at: 1)])
        log.writer.work(now: 0)
        #expect(log.writer.failure?.cause.call == "fdatasync")
        disk.plan.failing = [:]
        log.writer.work(now: 1_000_000)
        #expect(log.writer.isSettled)
        var luck = NoLuck()
        disk.crash(luck: &luck)
        #expect(try lines().map(\.type) == ["start", "end"])
    }

    /// As after an error of the file system: read-only, unmounted, repaired or replaced, mounted again.
    @Test(arguments: [
        (kept: 0, torn: 0), (kept: 2, torn: 0), (kept: 2, torn: 9), (kept: 3, torn: 0), (kept: 3, torn: 9),
    ])
    func whatABrokenDiskDidNotKeepGoesToTheOneInItsPlace(kept: Int, torn: Int) throws {
        var log = try open()
        log.ring.append([Made.start(1, at: 0), Made.end(1, at: 1)])
        log.writer.work(now: 0)
        log.ring.append([Made.start(2, at: 2), Made.update(2, at: 3)])
        log.writer.work(now: 1)
        let all = try lines().map(\.seq)
        #expect(all == [1, 2, 3, 4])
        let written = disk.content(paths.active) ?? []
        disk.breakDown()
        log.ring.append([Made.update(2, at: 4)])
        log.writer.work(now: 2)
        #expect(log.writer.failure?.cause.code == EROFS)

        disk.removeDirectory("/log")
        let pieces = written.split(separator: 0x0a)
        let found = pieces.prefix(kept).flatMap { $0 + [0x0a] } + pieces[min(kept, 3)].prefix(torn)
        if kept > 0 { disk.put(paths.active, Array(found)) }
        log.ring.append([Made.end(2, at: 5)])
        log.writer.work(now: 1_100_000)
        log.writer.work(now: 2_200_000)
        #expect(log.writer.isSettled, "\(String(describing: log.writer.failure))")
        // Of an empty disk what was durable on the old one is not asked for.
        let last = try lines().map(\.seq)
        #expect(last == (kept == 0 ? [] : [1, 2]) + [3, 4, 5, 6], "\(last)")
        #expect(disk.content(paths.active)?.last == 0x0a)
        #expect(throws: EventLogError.locked(path: paths.active)) { try open() }
    }

    @Test(arguments: [
        ("open", EROFS), ("write", EIO), ("fsync", EIO), ("fstat", EIO), ("stat", EIO), ("rename", EACCES),
    ])
    func staysUpAndCatchesUp(call: String, code: Int32) throws {
        var log = try open()
        log.writer.reopen(now: 0)
        disk.plan.failing[call] = code
        for second in 0..<5 {
            log.ring.append([
                Made.start(UInt64(second), at: Double(second)), Made.end(UInt64(second), at: Double(second)),
            ])
            log.writer.work(now: Int64(second) * 1_000_000)
        }
        disk.plan.failing = [:]
        log.writer.work(now: 10_000_000)
        #expect(log.writer.isSettled)
        #expect(try lines().map(\.seq) == Array(1...10))
    }

    @Test func makesItsDirectoryAgain() throws {
        var log = try open()
        log.ring.append([Made.start(1, at: 0)])
        log.writer.work(now: 0)
        disk.removeDirectory("/log")
        log.ring.append([Made.end(1, at: 1)])
        log.writer.work(now: 1)
        #expect(try lines().map(\.seq) == [2])
    }

    @Test func makesItsStateDirectoryAgain() throws {
        var log = try open()
        disk.removeDirectory("/state")
        log.ring.append([Made.start(1, at: 0)])
        log.writer.work(now: 0)
        log.writer.close(nextOrdinal: 2, now: 1)
        #expect(log.writer.failure == nil)
        #expect(disk.content("/state/door.state.json") != nil)
    }

    @Test mutating func aClockThatIsSetForwardMakesNothingOldForAnHour() throws {
        let old = "/log/door.jsonl.000000000001"
        let (minute, day): (Int64, Int64) = (60_000_000, 86_400_000_000)
        disk.put(old, EventRecord.line(Made.start(1, at: 0), sequence: 1, clock: .wall), modified: 0)
        disk.clock = day
        settings.keepDays = 30
        var log = try open()
        disk.clock += 400 * day
        for time in [0, 11, 22, 59] {
            log.writer.work(now: Int64(time) * minute)
            #expect(disk.content(old) != nil)
        }
        log.writer.work(now: 70 * minute)
        #expect(disk.content(old) == nil)
    }

    @Test func aLogThatBeganWhileTheClockWasAheadIsRotated() throws {
        var log = try open()
        log.ring.append([Made.start(1, at: 400 * 86_400), Made.update(1, at: 0), Made.end(1, at: 86_300)])
        log.writer.work(now: 0)
        #expect(try lines(paths.active + ".000000000001").map(\.seq) == [1])
        #expect(try lines().map(\.seq) == [2, 3])
    }

    @Test func aTruncatedCopyLeavesAHoleAndNoTornLine() throws {
        var log = try open()
        log.ring.append([Made.start(1, at: 0)])
        log.writer.work(now: 0)
        disk.truncateFromOutside(paths.active)
        log.ring.append([Made.update(1, at: 1), Made.end(1, at: 2)])
        log.writer.work(now: 1)
        #expect(try lines().map(\.seq) == [2, 3])
        #expect(log.writer.isSettled)
    }

    @Test mutating func keepsDaysBytesAndFreeSpace() throws {
        let day: Int64 = 86_400_000_000
        for (i, age) in [Int64(5), 3, 1].enumerated() {
            disk.put(
                "/log/door.jsonl.00000000000\(i + 1)", [UInt8](repeating: 0x0a, count: 1000), modified: (10 - age) * day
            )
            disk.put("/pictures/door-\(i).jpg", [UInt8](repeating: 0, count: 1000), modified: (10 - age) * day + 1)
        }
        disk.put("/pictures/notes.txt", [1], modified: 0)
        disk.put(paths.active, [UInt8](repeating: 0x0a, count: 1000), modified: 0)
        disk.clock = 10 * day
        func sweep() throws -> [String] {
            try LogRetention(paths: paths, settings: settings, files: disk).sweep()
        }
        #expect(try sweep().isEmpty)
        settings.keepDays = 4
        #expect(try sweep() == ["/log/door.jsonl.000000000001", "/pictures/door-0.jpg"])
        settings.keepBytes = 4500
        #expect(try sweep() == ["/log/door.jsonl.000000000002"])
        settings.keepFreeBytes = 1000
        disk.plan.capacity = 4500  // of which 3 old files, the active one and the notes take 4001
        #expect(try sweep() == ["/pictures/door-1.jpg"])
        #expect(disk.content(paths.active) != nil)
        #expect(disk.content("/pictures/notes.txt") != nil)
    }

    @Test mutating func retentionCoversAllCamerasAlsoThoseThatAreNoMore() throws {
        let line = EventRecord.line(Made.start(1, at: 0), sequence: 7, clock: .wall)
        for folder in ["/log", "/log/yard", "/log/mine"] { try disk.makeDirectory(folder) }
        disk.put("/state/yard.state.json", [1], modified: 0)
        let old = [
            "/log/yard.jsonl.000000000001", "/log/yard.jsonl.2.gz", "/log/yard.jsonl-20260131.zst",
            "/log/yard/yard-1.jpg",
        ]
        let others = [
            "/log/mine/holiday.jpg", "/log/clip.jsonl.1", "/log/clip.jsonl", "/log/notes.1", "/log/yard.jsonl.bak",
        ]
        for path in old + others + ["/log/yard.jsonl"] { disk.put(path, line, modified: 1) }
        disk.clock = 10 * 86_400_000_000
        settings.keepDays = 1
        func sweep() throws -> Set<String> {
            Set(try LogRetention(paths: paths, settings: settings, files: disk).sweep())
        }
        #expect(try sweep() == Set(old))
        // Its last log: rotated when the configuration has the camera no more and nobody writes it.
        func rotate(except cameras: [CameraID]) {
            FormerLogs.rotate(in: "/log", stateDirectory: "/state", except: cameras, files: disk)
        }
        rotate(except: [CameraID("yard")])
        #expect(disk.content("/log/yard.jsonl") != nil)
        let lock = try disk.open("/log/.yard.lock", flags: O_RDWR | O_CREAT)
        _ = try disk.lock(lock, path: "/log/.yard.lock")
        rotate(except: [])
        #expect(disk.content("/log/yard.jsonl") != nil)
        disk.close(lock)
        rotate(except: [])
        #expect(try sweep() == ["/log/yard.jsonl.000000000007"])
        #expect(others.allSatisfy { disk.content($0) != nil })
        // Bytes are those of all.
        for path in old { disk.put(path, line, modified: 9 * 86_400_000_000 + 1) }
        settings.keepBytes = Int64(line.count * 3)
        #expect(try sweep().count == old.count - 3)
    }

    @Test func aZeroedTailIsCut() throws {
        let line = EventRecord.line(Made.start(1, at: 0), sequence: 1, clock: .wall)
        let second = EventRecord.line(Made.update(1, at: 1), sequence: 2, clock: .wall)
        disk.put(paths.active, line + second.prefix(20) + [UInt8](repeating: 0, count: 5000) + [0x0a, 0x0a])
        let log = try open()
        #expect(log.cutBytes == 5022)
        #expect(try lines().map(\.type) == ["start", "end"])
    }

    @Test func absurdNumbersAreNotBelieved() throws {
        let text =
            #"{"v":1,"seq":18446744073709551615,"type":"start","camera":"door","t":"2023-11-14T22:13:20.200Z","pts":0}"#
        disk.put(paths.active, Array((text + "\n").utf8))
        #expect(try open().ring.nextSequence == 1)
    }

    @Test func anyDamageIsSurvived() throws {
        var luck = SplitMix(seed: 7)
        let good = EventRecordTests.everyKind.enumerated().flatMap {
            EventRecord.line($0.element, sequence: UInt64($0.offset + 1), clock: .wall)
        }
        for _ in 0..<300 {
            let disk = FaultyDisk()
            var bytes = Array(good.prefix(Int.random(in: 0...good.count, using: &luck)))
            for _ in 0..<Int.random(in: 0...20, using: &luck) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &luck)] = UInt8.random(in: 0...255, using: &luck)
            }
            disk.put(paths.active, bytes)
            disk.put("/state/door.state.json", Array(bytes.prefix(50)))
            var log = try LogOpening(live: Made.camera, paths: paths, settings: settings, files: disk, now: 0)
            log.ring.append([Made.start(99, at: 0)])
            log.writer.work(now: 2_000_000, isLast: true)
            #expect(log.writer.isSettled)
            #expect(disk.content(paths.active)?.last == 0x0a)
        }
    }
}

/// Spares nothing.
private struct NoLuck: RandomNumberGenerator {
    mutating func next() -> UInt64 { 0 }
}
