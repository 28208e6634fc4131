internal import Glibc
internal import Scene
internal import Synchronization
internal import Testing
internal import TestTools

@testable internal import Events

/// What months of logs must not cost, and what is said of a disk.
@Suite struct LongLogTests {
    private let disk = FaultyDisk()
    private let paths = LogPaths(camera: Made.camera, directory: "/log", stateDirectory: "/state")

    /// Small files, so that there are many.
    private func open(memoryBytes: Int = 8 << 20) throws -> LogOpening {
        var settings = LogSettings()
        (settings.rotateBytes, settings.memoryBytes) = (2000, memoryBytes)
        return try LogOpening(live: Made.camera, paths: paths, settings: settings, files: disk, now: 0)
    }

    /// A session without an end: many people come and go, the first one stays.
    private func liveLong(_ people: ClosedRange<UInt64>, staying: UInt64? = nil) throws {
        var log = try open()
        if let staying { log.ring.append([Made.start(staying, at: 0)]) }
        for ordinal in people {
            log.ring.append([Made.start(ordinal, at: Double(ordinal)), Made.end(ordinal, at: Double(ordinal) + 0.5)])
            log.writer.work(now: Int64(ordinal) * 2_000_000)
        }
        #expect(log.writer.isSettled)
        var luck = SplitMix(seed: 1)
        disk.crash(luck: &luck)
    }

    @Test func aRecoveryReadsOnlyWhereStoriesMayBeOpen() throws {
        try liveLong(1...300)
        #expect(try LogPaths.rotated(paths, disk).count > 50)
        let before = disk.calls
        let next = try open()
        #expect(next.recovered.isEmpty)
        #expect(next.firstOrdinal > 300)
        #expect(next.ring.nextSequence == 601)
        #expect(disk.calls - before < 60, "\(disk.calls - before) calls to the disk")
    }

    @Test func aStoryThatBeganLongAgoIsFoundAndEnded() throws {
        try liveLong(2...300, staying: 1)
        let next = try open()
        #expect(next.recovered.map { EventRecord.type(of: $0.kind) } == ["end"])
        guard case .end(let report, .restart) = next.recovered.first?.kind else {
            Issue.record("\(next.recovered)")
            return
        }
        #expect(report.track.id.ordinal == 1)
    }

    @Test func withoutAStateEveryLogIsRead() throws {
        try liveLong(2...100, staying: 1)
        try disk.remove("/state/door.state.json")
        #expect(try open().recovered.count == 1)
    }

    @Test func aFileWithoutNewlinesIsNoBurden() throws {
        disk.put(paths.active + ".000000000001", [UInt8](repeating: 0x61, count: 3 << 20))
        disk.put(paths.active, [UInt8](repeating: 0, count: 3 << 20))
        let log = try open()
        #expect(log.cutBytes == 3 << 20)
        #expect(log.ring.nextSequence == 1)
    }

    @Test func newsOfTheDiskComeOnce() throws {
        let news = Mutex<[LogNews]>([])
        let log = EventLog(try open(), camera: Made.camera, isLive: true, files: disk) { one in
            news.withLock { $0.append(one) }
        }
        disk.plan.failing["write"] = ENOSPC
        for second in 0..<5 {
            log.append([Made.end(1, at: Double(second))])
            log.flush()
        }
        let full = SystemFailure(call: "write", path: paths.active, code: ENOSPC)
        #expect(news.withLock { $0 } == [.failing(full)])
        disk.plan.failing = [:]
        log.flush()
        #expect(news.withLock { $0 } == [.failing(full), .works(lost: 0)])
        disk.plan.failing["fdatasync"] = EIO
        log.append([Made.end(1, at: 9)])
        log.flush()
        disk.plan.failing = [:]
        log.flush()
        log.flush()
        #expect(news.withLock { $0.count } == 4)
        try log.close(nextOrdinal: 2)
    }

    @Test func aDiskThatFailsAndWorksByTurnsDoesNotFillTheJournal() throws {
        let news = Mutex<[LogNews]>([])
        let log = EventLog(try open(), camera: Made.camera, isLive: true, files: disk) { one in
            news.withLock { $0.append(one) }
        }
        for turn in 0..<200 {
            disk.plan.failing = turn.isMultiple(of: 2) ? ["write": ENOSPC] : [:]
            log.append([Made.end(1, at: Double(turn))])
            log.flush()
        }
        #expect((20...25).contains(news.withLock { $0.count }))
        #expect(log.status.failure == nil)
        try log.close(nextOrdinal: 2)
    }

    @Test func anotherDiskInTheOldOnesPlaceIsTold() throws {
        let news = Mutex<[LogNews]>([])
        @Sendable func note(_ one: LogNews) { news.withLock { $0.append(one) } }
        var log = EventLog(try open(), camera: Made.camera, isLive: true, files: disk, onNews: note)
        log.append([Made.start(1, at: 0)])
        log.flush()
        disk.removeDirectory("/log")
        log.append([Made.end(1, at: 1)])
        log.flush()
        #expect(news.withLock { $0 } == [], "the same disk")
        disk.removeDirectory("/log")
        disk.replaceDevice()
        for second in 2..<4 {
            log.append([Made.end(1, at: Double(second))])
            log.flush()
        }
        #expect(news.withLock { $0 } == [.moved(directory: "/log")])
        try log.close(nextOrdinal: 2)
        disk.removeDirectory("/log")
        for _ in 0..<2 {
            log = EventLog(try open(), camera: Made.camera, isLive: true, files: disk, onNews: note)
            log.append([Made.end(1, at: 5)])
            try log.close(nextOrdinal: 2)
        }
        #expect(news.withLock { $0 } == [.moved(directory: "/log"), .absent(directory: "/log", next: 5)])
    }

    @Test func newsCountWhatWasLost() throws {
        let news = Mutex<[LogNews]>([])
        let log = EventLog(try open(memoryBytes: 2000), camera: Made.camera, isLive: true, files: disk) { one in
            news.withLock { $0.append(one) }
        }
        disk.plan.failing["write"] = EIO
        log.append([Made.end(1, at: 0)])
        log.flush()
        log.append((1...50).map { Made.update(1, at: Double($0)) })
        let lost = log.status.totalLost
        #expect(lost > 30)
        disk.plan.failing = [:]
        log.flush()
        #expect(news.withLock { $0.last } == .works(lost: lost))
        #expect("\(LogNews.works(lost: lost))" == "event log: the disk takes lines again, \(lost) were lost")
        try log.close(nextOrdinal: 2)
    }
}
