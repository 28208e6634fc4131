internal import Scene
internal import Testing
internal import TestTools

@testable internal import Events

/// What holds of every log, whatever happened: random people wander, vanish and come back.
@Suite struct PropertyTests {
    private struct Wanderer {
        var x: Float
        var y: Float
        var dx: Float
        var dy: Float
        let born: Double
        /// The sides of the line on which this person was surely first and last: -1 left, 1 right, 0 on the line.
        var first: Float = 0
        var last: Float = 0
        /// Frames for which the person has been surely on one side.
        var sureFor = 0

        mutating func step(_ luck: inout SplitMix, isEnding: Bool) {
            dx = isEnding ? (x > 0.5 ? 0.02 : -0.02) : 0.9 * dx + 0.01 * luck.gaussian()
            dy = 0.9 * dy + 0.005 * luck.gaussian()
            (x, y) = (min(0.95, max(0.05, x + dx)), min(0.95, max(0.35, y + dy)))
            // The band of a person 0.3 high is a tenth of 0.3 frame heights; the frame is 4 : 3.
            let side: Float = abs(x - 0.5) * 4 / 3 > 0.031 ? (x > 0.5 ? 1 : -1) : 0
            if first == 0 { first = side }
            sureFor = side != 0 && side == last ? sureFor + 1 : 0
            if side != 0 { last = side }
        }

        var person: Person { Made.person(x: x, feet: y) }
    }

    private var settings: EventSettings {
        var settings = EventSettings()
        settings.lines = [LineSettings(name: "middle", a: Point(x: 0.5, y: 1), b: Point(x: 0.5, y: 0))]
        settings.zones = [
            ZoneSettings(
                name: "left", polygon: [(0.1, 0.3), (0.45, 0.3), (0.3, 1), (0.1, 1)].map { Point(x: $0, y: $1) }),
            ZoneSettings(
                name: "all over",
                polygon: [(0.2, 0.4), (0.9, 0.4), (0.9, 0.8), (0.2, 0.8)].map { Point(x: $0, y: $1) }),
        ]
        settings.zones[1].anchor = .box
        settings.zones[1].loiteringAfter = 2
        return settings
    }

    @Test func holdsOfEveryLog() throws {
        var (crossings, visits) = (0, 0)
        for seed in 0..<60 {
            let (events, net) = play(seed: UInt64(seed))
            crossings += try checkLines(events, net, seed: seed)
            visits += checkStays(events, seed: seed)
        }
        print("random scenes: \(crossings) crossings, \(visits) visits, all consistent")
        #expect(crossings > 200)
        #expect(visits > 500)
    }

    /// - Returns: the events, and how many more people went right than left over the line.
    private func play(seed: UInt64) -> ([Event], Int) {
        var luck = SplitMix(seed: seed)
        var rules = EventRules(camera: Made.camera, settings: settings)
        var people: [UInt64: Wanderer] = [:]
        var (nextID, net): (UInt64, Float) = (1, 0)
        var events: [Event] = []
        func settle(_ person: Wanderer) { net += (person.last - person.first) / 2 }
        for frame in 0..<400 {
            let seconds = Double(frame) / 10
            var tracks: [Track] = []
            for (id, var person) in people.sorted(by: { $0.key < $1.key }) {
                let dice = Int.random(in: 0..<100, using: &luck)
                // Who has just come over the line, or is about to, stays: what is true of them is a matter of taste.
                let isOver = dice == 0 && person.sureFor > 8
                let isMissed = (1..<10).contains(dice)
                if !isOver, !isMissed { person.step(&luck, isEnding: frame > 360) }
                people[id] = isOver ? nil : person
                if isOver { settle(person) }
                tracks.append(
                    Made.track(
                        id, person.person, since: person.born, at: seconds,
                        state: isOver ? .ended(.lost) : isMissed ? .missed : .seen))
            }
            if people.count < 4, frame < 350, Int.random(in: 0..<10, using: &luck) == 0 {
                people[nextID] = Wanderer(
                    x: Float.random(in: 0.1...0.9, using: &luck), y: Float.random(in: 0.4...0.9, using: &luck), dx: 0,
                    dy: 0,
                    born: seconds + 0.1)
                if abs((people[nextID]?.x ?? 0) - 0.5) < 0.05 { people[nextID]?.x += 0.1 }
                nextID += 1
            }
            events += rules.update(with: tracks, at: Made.time(seconds), size: Made.size)
        }
        for person in people.values { settle(person) }
        return (events + rules.finish(.shutdown, at: Made.time(40)), Int(net))
    }

    /// Along a line, half hidden for some of the time, with a ground point that jitters as much as vtest.avi's.
    @Test(arguments: [2.0, 5, 10, 25])
    func walkingAlongALineIsNoCrossing(fps: Double) {
        var settings = settings
        settings.lines = [LineSettings(name: "edge", a: Point(x: 0, y: 0.6), b: Point(x: 1, y: 0.6))]
        settings.lines[0].deadBand = 0
        var crossings = 0
        for seed in 0..<50 {
            var luck = SplitMix(seed: UInt64(seed))
            var rules = EventRules(camera: Made.camera, settings: settings)
            for frame in 0..<Int(60 * fps) {
                let seconds = Double(frame) / fps
                // 0.3 high; one frame in fifty is off by a tenth of that.
                let isOutlier = Int.random(in: 0..<50, using: &luck) == 0
                let feet =
                    0.6 + 0.3 * (0.04 * luck.gaussian() + (isOutlier ? (Bool.random(using: &luck) ? 0.1 : -0.1) : 0))
                var track = Made.track(
                    1, Made.person(x: 0.05 + 0.9 * Float(seconds / 60), feet: feet), at: seconds)
                track.visible = Int(seconds) % 10 < 2 ? 0.4 : 1
                crossings += rules.update(with: [track], at: Made.time(seconds), size: Made.size).count {
                    if case .lineCrossed = $0.kind { true } else { false }
                }
            }
        }
        print("50 minutes along a line at \(fps) fps: \(crossings) crossings")
        #expect(crossings <= 1)
    }

    private func checkLines(_ events: [Event], _ net: Int, seed: Int) throws -> Int {
        let directions = events.compactMap { event -> CrossingDirection? in
            if case .lineCrossed(_, _, let direction) = event.kind { direction } else { nil }
        }
        let counted = directions.reduce(0) { $0 + ($1 == .right ? 1 : -1) }
        #expect(counted == net, "seed \(seed): the counts are not the net change of sides")
        return directions.count
    }

    private func checkStays(_ events: [Event], seed: Int) -> Int {
        var open: Set<TrackID> = []
        var ended: Set<TrackID> = []
        var inside: [String: Set<TrackID>] = ["left": [], "all over": []]
        var said: [String: Int] = [:]
        var visits = 0
        for event in events {
            switch event.kind {
            case .start(let report):
                let isNew = open.insert(report.track.id).inserted && !ended.contains(report.track.id)
                #expect(isNew)
            case .end(let report, _):
                let isFirst = open.remove(report.track.id) != nil && ended.insert(report.track.id).inserted
                #expect(isFirst)
                #expect(inside.values.allSatisfy { !$0.contains(report.track.id) }, "seed \(seed): ends inside a zone")
            case .zoneEntered(let id, let zone):
                #expect(open.contains(id))
                let isNew = inside[zone, default: []].insert(id).inserted
                #expect(isNew)
                visits += 1
            case .zoneLeft(let id, let zone, let dwell):
                let wasInside = inside[zone, default: []].remove(id) != nil
                #expect(wasInside && dwell >= 0)
            case .loitering(let id, let zone, let dwell):
                #expect(inside[zone]?.contains(id) == true)
                #expect(dwell >= 2)
            case .occupancy(let zone, let count):
                #expect(count == inside[zone]?.count, "seed \(seed): occupancy is not entered minus left")
                let before = said.updateValue(count, forKey: zone)
                #expect(before != count)
            case .lineCrossed(let id, _, _), .posture(let id, _, _): #expect(open.contains(id))
            default: break
            }
        }
        #expect(open.isEmpty, "seed \(seed): no end for \(open)")
        #expect(inside.values.allSatisfy { $0.isEmpty })
        return visits
    }
}
