internal import Scene
internal import Testing

@testable internal import Events

@Suite struct EventRulesTests {
    private var rules = EventRules(camera: Made.camera, settings: EventSettings())

    @Test mutating func aTrackIsToldOnceAndEndedOnce() {
        let person = Made.person(x: 0.5, feet: 0.8)
        var types: [String] = []
        for second in 0..<3 {
            types += update([Made.track(1, person, at: Double(second))], Double(second))
        }
        types += update([Made.track(1, person, at: 2, state: .missed)], 3)
        types += update([Made.track(1, person, at: 2, state: .ended(.lost))], 4)
        types += rules.finish(.shutdown, at: Made.time(5)).map { EventRecord.type(of: $0.kind) }
        #expect(types == ["start", "end"])
    }

    /// Box, mask, joints and ground point of one line are of the same moment, also when the box has been guessed since.
    @Test mutating func theEndTellsWherePeopleWereSeen() {
        let (seen, expected) = (Made.person(x: 0.5, feet: 0.8), Made.person(x: 0.7, feet: 0.8))
        _ = update([Made.track(1, seen, at: 0)], 0)
        _ = update([Made.track(1, expected, at: 0, state: .missed)], 1)
        let ends = rules.update(
            with: [Made.track(1, expected, at: 0, state: .ended(.lost))], at: Made.time(2), size: Made.size)
        guard case .end(let report, reason: .lost)? = ends.last?.kind else {
            Issue.record("expected an end, found \(ends)")
            return
        }
        #expect(report.track.person.box == seen.box && report.track.lastSeen == Made.time(0))
    }

    @Test mutating func saysThatItIsStillThereEveryMinute() {
        let times = (0..<200).filter { second in
            let x = 0.1 + Float(second) * 0.004  // walking all the time, so nothing else is worth telling
            return update([Made.track(1, Made.person(x: x, feet: 0.8), at: Double(second))], Double(second)) == [
                "update"
            ]
        }
        #expect(times == [60, 120, 180])
    }

    @Test mutating func finishEndsWhoIsThere() {
        _ = update(
            [
                Made.track(2, Made.person(x: 0.2, feet: 0.8), at: 0),
                Made.track(1, Made.person(x: 0.7, feet: 0.8), at: 0),
            ], 0)
        let ends = rules.finish(.disabled, at: Made.time(1))
        #expect(ends.count == 2)
        guard case .end(let report, reason: .disabled) = ends[0].kind else {
            Issue.record("expected an end, found \(ends[0].kind)")
            return
        }
        #expect(report.track.id == Made.id(1))
        #expect(rules.finish(.disabled, at: Made.time(2)).isEmpty)
    }

    private mutating func update(_ tracks: [Track], _ seconds: Double) -> [String] {
        rules.update(with: tracks, at: Made.time(seconds), size: Made.size).map { EventRecord.type(of: $0.kind) }
    }
}
