internal import Glibc
internal import Scene
internal import Testing
internal import TestTools

@testable internal import Events

/// The log under a disk that loses, at a random call, every byte that was not synchronised.
@Suite struct PowerCutTests {
    /// One camera's log through several deaths, and what the world knows of it.
    private struct Life {
        let disk = FaultyDisk()
        let paths = LogPaths(camera: Made.camera, directory: "/log", stateDirectory: "/state")
        var settings = LogSettings()
        var luck: SplitMix
        /// Lines that were said to be durable, by number.
        var durable: [UInt64: [UInt8]] = [:]
        var highestOrdinal: UInt64 = 0
        var now: Int64 = 0
        var seconds = 0.0
        /// What stands for the cameras' people.
        var people: [UInt64] = []

        init(seed: UInt64) {
            luck = SplitMix(seed: seed)
            settings.rotateBytes = 3000
        }

        mutating func open() throws(EventLogError) -> LogOpening {
            now += 1_000_000
            people = []
            return try LogOpening(live: Made.camera, paths: paths, settings: settings, files: disk, now: now)
        }

        /// A few things that happen in front of the camera.
        mutating func happen(_ nextOrdinal: inout UInt64) -> [Event] {
            seconds += 0.2
            var events: [Event] = []
            for _ in 0..<Int.random(in: 1...4, using: &luck) {
                switch Int.random(in: 0..<6, using: &luck) {
                case 0, 1:
                    people.append(nextOrdinal)
                    events.append(Made.start(nextOrdinal, at: seconds))
                    events.append(Made.event(.zoneEntered(Made.id(nextOrdinal), zone: "yard"), at: seconds))
                    nextOrdinal += 1
                case 2 where !people.isEmpty:
                    let id = people.removeFirst()
                    events.append(Made.event(.zoneLeft(Made.id(id), zone: "yard", dwell: 1), at: seconds))
                    events.append(Made.end(id, at: seconds))
                default:
                    if let id = people.last { events.append(Made.update(id, at: seconds)) }
                }
            }
            return events
        }

        /// Lives until the disk dies under it, or for `steps` steps.
        mutating func session(steps: Int) {
            guard var log = try? open() else { return }
            var nextOrdinal = log.firstOrdinal
            if log.writer.isSettled {
                expect(content().dropLast().enumerated().map { (UInt64($0.offset + 1), $0.element) })
            }
            var waiting: [(UInt64, [UInt8])] = []
            for _ in 0...steps where !disk.isDead {
                if log.writer.isSettled {
                    expect(waiting)
                    waiting = []
                }
                waiting += log.ring.append(happen(&nextOrdinal)).map { ($0.sequence, $0.bytes) }
                highestOrdinal = max(highestOrdinal, nextOrdinal - 1)
                now += Int64.random(in: 0...700_000, using: &luck)
                log.writer.work(now: now)
            }
            if log.writer.isSettled, !disk.isDead { expect(waiting) }
        }

        private mutating func expect(_ lines: [(UInt64, [UInt8])]) {
            for (number, bytes) in lines { durable[number] = bytes }
        }

        func content() -> [[UInt8]] {
            let rotated = disk.names.filter { $0.hasPrefix(paths.active + ".") }
            return (rotated + [paths.active]).flatMap { disk.content($0) ?? [] }.split(
                separator: 0x0a, omittingEmptySubsequences: false
            )
            .map { Array($0) + [0x0a] }
        }
    }

    @Test func nothingDurableIsLostAndEveryStoryIsFinished() throws {
        var (deaths, durable, lost, rotations) = (0, 0, 0, 0)
        for seed in 0..<400 {
            var life = Life(seed: UInt64(seed))
            for _ in 0..<3 {
                let death = Int.random(in: 1...250, using: &life.luck)
                let short = Bool.random(using: &life.luck) ? Int.random(in: 1...300, using: &life.luck) : nil
                life.disk.plan = FaultyDisk.Plan(deathAtCall: life.disk.calls + death, shortWrites: short)
                life.session(steps: 60)
                deaths += life.disk.isDead ? 1 : 0
                life.disk.crash(luck: &life.luck)
            }
            let last = try life.open()
            try #require(last.writer.isSettled, "seed \(seed)")
            #expect(last.firstOrdinal > life.highestOrdinal, "seed \(seed): an id would be given again")
            durable += life.durable.count
            lost += try check(life, seed: seed)
            rotations += try LogPaths.rotated(life.paths, life.disk).count
        }
        print("power cuts: \(deaths), rotated files: \(rotations), durable lines: \(durable), of these lost: \(lost)")
        #expect(deaths > 1000)
        #expect(rotations > 1000)
    }

    /// - Returns: the number of durable lines that are not there.
    private func check(_ life: Life, seed: Int) throws -> Int {
        let content = life.content()
        #expect(content.last == [0x0a], "seed \(seed): the log ends in a torn line")
        let lines = try content.dropLast().map {
            try #require(LogLine($0), "seed \(seed): torn line \(String(decoding: $0, as: UTF8.self))")
        }
        #expect(lines.map(\.seq) == Array(1..<UInt64(lines.count + 1)), "seed \(seed): numbers are broken")
        var lost = 0
        for (number, bytes) in life.durable {
            let found = number <= lines.count ? content[Int(number) - 1] : nil
            lost += found == bytes ? 0 : 1
            #expect(found == bytes, "seed \(seed): lost \(String(decoding: bytes, as: UTF8.self))")
        }
        checkStories(lines, seed: seed)
        return lost
    }

    private func checkStories(_ lines: [LogLine], seed: Int) {
        var open: Set<String> = []
        var stays: Set<String> = []
        for line in lines {
            guard let id = line.id else { continue }
            switch line.type {
            case "start": #expect(open.insert(id).inserted, "seed \(seed): \(id) starts twice")
            case "zone_entered": stays.insert(id)
            case "zone_left": #expect(stays.remove(id) != nil, "seed \(seed): \(id) leaves twice")
            case "end":
                #expect(open.remove(id) != nil, "seed \(seed): \(id) ends without a start")
                #expect(!stays.contains(id), "seed \(seed): \(id) ends inside a zone")
            default: #expect(open.contains(id), "seed \(seed): \(line.type) of \(id), which is over")
            }
        }
        #expect(open.isEmpty, "seed \(seed): no end for \(open)")
    }
}
