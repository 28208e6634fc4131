internal import Scene
internal import Testing

@testable internal import Events

/// Scenes in which every event and its time is known beforehand.
@Suite struct GoldenSceneTests {
    /// What must be told: `"line_crossed 1 door right"` at about `seconds`.
    struct Expected: Sendable {
        let text: String
        let seconds: Double
        var tolerance = 0.6
    }

    struct Scene: Sendable, CustomTestStringConvertible {
        let name: String
        let theatre: Theatre
        let expected: [Expected]
        var testDescription: String { name }
    }

    @Test func everyEventIsToldAndNoOther() throws {
        var (told, found, wanted) = (0, 0, 0)
        var log: [UInt8] = []
        for scene in Self.scenes {
            for seed in 1...3 {
                var theatre = scene.theatre
                theatre.seed = UInt64(seed)
                let events = theatre.play()
                var rest = events.filter { Self.isCounted($0.kind) }.map { (Self.text($0.kind), $0.time.seconds) }
                told += rest.count
                wanted += scene.expected.count
                for expected in scene.expected {
                    let i = rest.firstIndex {
                        $0.0 == expected.text && abs($0.1 - expected.seconds) <= expected.tolerance
                    }
                    if let i {
                        found += 1
                        rest.remove(at: i)
                    } else {
                        Issue.record(
                            "\(scene.name), seed \(seed): missing \(expected.text) at \(expected.seconds); \(rest)")
                    }
                }
                #expect(rest.isEmpty, "\(scene.name), seed \(seed): not expected")
                log += events.enumerated().flatMap {
                    EventRecord.line($0.element, sequence: UInt64($0.offset + 1), clock: .epoch)
                }
            }
        }
        print("golden scenes: \(wanted) events known, recall \(found)/\(wanted), precision \(found)/\(told)")
        #expect(try JSONSchema.complaints(about: log) == "")
    }

    @Test func theSameSceneGivesTheSameBytes() {
        for scene in Self.scenes {
            let runs = (0..<2).map { _ in
                scene.theatre.play().flatMap { EventRecord.line($0, sequence: 1, clock: .epoch) }
            }
            #expect(runs[0] == runs[1])
        }
    }

    /// `update` and `start` have their own tests: here is what happened in the scene.
    private static func isCounted(_ kind: Event.Kind) -> Bool {
        switch kind {
        case .start, .update: false
        default: true
        }
    }

    static func text(_ kind: Event.Kind) -> String {
        switch kind {
        case .zoneEntered(let id, let zone): "zone_entered \(id.ordinal) \(zone)"
        case .zoneLeft(let id, let zone, _): "zone_left \(id.ordinal) \(zone)"
        case .loitering(let id, let zone, _): "loitering \(id.ordinal) \(zone)"
        case .lineCrossed(let id, let line, let direction): "line_crossed \(id.ordinal) \(line) \(direction)"
        case .occupancy(let zone, let count): "occupancy \(zone) \(count)"
        case .posture(let id, let posture, _): "posture \(id.ordinal) \(posture.rawValue)"
        case .end(let report, _): "end \(report.track.id.ordinal)"
        default: EventRecord.type(of: kind)
        }
    }

    // MARK: Scenes

    /// From x0 to x1 (shares of the frame's width) between two times.
    private static func walk(_ x0: Float, _ x1: Float, from: Double, to: Double, feet: Float = 0.9) -> Theatre.Part {
        { seconds in
            let t = Float(min(1, max(0, (seconds - from) / (to - from))))
            let x = (x0 + t * (x1 - x0)) * Figure.aspect
            return Figure(pose: .walking(phase: Float(seconds)), feet: Point(x: x, y: feet))
        }
    }

    private static func pose(_ pose: @escaping @Sendable (Double) -> Figure.Pose?) -> Theatre.Part {
        { seconds in pose(seconds).map { Figure(pose: $0, feet: Point(x: 0.6, y: 0.9)) } }
    }

    private static var line: EventSettings {
        var settings = EventSettings()
        settings.lines = [LineSettings(name: "door", a: Point(x: 0.5, y: 1), b: Point(x: 0.5, y: 0))]
        settings.posture.enabled = false
        return settings
    }

    private static func yard(_ change: (inout ZoneSettings) -> Void = { _ in }) -> EventSettings {
        var settings = EventSettings()
        var zone = ZoneSettings(
            name: "yard", polygon: [(0.3, 0.5), (0.7, 0.5), (0.7, 1), (0.3, 1)].map { Point(x: $0, y: $1) })
        change(&zone)
        settings.zones = [zone]
        settings.posture.enabled = false
        return settings
    }

    static var scenes: [Scene] { lineScenes + zoneScenes + postureScenes }

    private static var lineScenes: [Scene] {
        let there = walk(0.1, 0.9, from: 0, to: 8)
        let back = walk(0.9, 0.1, from: 0, to: 8)
        let hesitant: Theatre.Part = { seconds in
            // On the line for 20 s, then over it, back, and over it again.
            let x: Float =
                seconds < 5
                ? 0.4 + 0.02 * Float(seconds)
                : seconds < 25
                    ? 0.5
                    : seconds < 27
                        ? 0.6
                        : seconds < 30 ? 0.4 : 0.6
            var figure = Figure(feet: Point(x: x * Figure.aspect, y: 0.9))
            figure.noise = 0.02
            return figure
        }
        return [
            Scene(
                name: "two people cross a line in opposite directions",
                theatre: Theatre(settings: line, parts: [(0, 8, there), (0, 8, back)], length: 9),
                expected: [
                    Expected(text: "line_crossed 1 door right", seconds: 4.6),
                    Expected(text: "line_crossed 2 door left", seconds: 4.6), Expected(text: "end 1", seconds: 8.1),
                    Expected(text: "end 2", seconds: 8.1),
                ]),
            Scene(
                name: "standing on a line is no crossing",
                theatre: Theatre(settings: line, parts: [(0, 35, hesitant)], length: 36),
                expected: [
                    Expected(text: "line_crossed 1 door right", seconds: 25),
                    Expected(text: "line_crossed 1 door left", seconds: 27),
                    Expected(text: "line_crossed 1 door right", seconds: 30), Expected(text: "end 1", seconds: 35.1),
                ]),
            Scene(
                name: "out of sight while crossing",
                theatre: Theatre(
                    settings: line, parts: [(0, 8, { (3..<5).contains($0) ? nil : there($0) })], length: 9),
                expected: [
                    Expected(text: "line_crossed 1 door right", seconds: 5), Expected(text: "end 1", seconds: 8.1),
                ]),
        ]
    }

    private static var zoneScenes: [Scene] {
        let through = walk(0.1, 0.9, from: 0, to: 8)  // enters at 2 s, leaves at 6 s
        let visit = [
            Expected(text: "zone_entered 1 yard", seconds: 2.2), Expected(text: "occupancy yard 1", seconds: 2.2),
            Expected(text: "zone_left 1 yard", seconds: 6.2), Expected(text: "occupancy yard 0", seconds: 6.2),
            Expected(text: "end 1", seconds: 8.1),
        ]
        let waiting: Theatre.Part = { seconds in
            (10..<15).contains(seconds) ? nil : Figure(feet: Point(x: 0.5 * Figure.aspect, y: 0.9))
        }
        let stay = [
            Expected(text: "zone_entered 1 yard", seconds: 0.2), Expected(text: "occupancy yard 1", seconds: 0.2),
            Expected(text: "loitering 1 yard", seconds: 20), Expected(text: "zone_left 1 yard", seconds: 30.1),
            Expected(text: "occupancy yard 0", seconds: 30.1), Expected(text: "end 1", seconds: 30.1),
        ]
        func scene(
            _ name: String, _ settings: EventSettings, _ part: @escaping Theatre.Part, _ to: Double,
            _ expected: [Expected]
        ) -> Scene {
            Scene(
                name: name, theatre: Theatre(settings: settings, parts: [(0, to, part)], length: to + 1),
                expected: expected)
        }
        return [
            scene("through a zone, by the feet", yard(), through, 8, visit),
            scene("through a zone, by the mask", yard { $0.anchor = .mask }, through, 8, visit),
            scene("through a zone, by the box", yard { $0.anchor = .box }, through, 8, visit),
            scene("loitering through an occlusion", yard { $0.loiteringAfter = 20 }, waiting, 30, stay),
            Scene(
                name: "two in a zone",
                theatre: Theatre(settings: yard(), parts: [(0, 8, through), (2, 10, { through($0 - 2) })], length: 11),
                expected: [
                    Expected(text: "zone_entered 1 yard", seconds: 2.2),
                    Expected(text: "occupancy yard 1", seconds: 2.2),
                    Expected(text: "zone_entered 2 yard", seconds: 4.2),
                    Expected(text: "occupancy yard 2", seconds: 4.2),
                    Expected(text: "zone_left 1 yard", seconds: 6.2), Expected(text: "occupancy yard 1", seconds: 6.2),
                    Expected(text: "zone_left 2 yard", seconds: 8.2), Expected(text: "occupancy yard 0", seconds: 8.2),
                    Expected(text: "end 1", seconds: 8.1), Expected(text: "end 2", seconds: 10.1),
                ]),
        ]
    }

    private static var postureScenes: [Scene] {
        let ended = Expected(text: "end 1", seconds: 20.1)
        let upright = Expected(text: "posture 1 upright", seconds: 1)
        func scene(_ name: String, _ expected: [Expected], _ pose: @escaping @Sendable (Double) -> Figure.Pose?)
            -> Scene
        {
            Scene(
                name: name, theatre: Theatre(parts: [(0, 20, Self.pose(pose))], length: 21),
                expected: expected + [ended])
        }
        func said(_ posture: Posture, _ seconds: Double) -> Expected {
            Expected(text: "posture 1 \(posture.rawValue)", seconds: seconds)
        }
        return [
            scene("falls and stays down", [upright, said(.lying, 6.6), said(.fallen, 8.5)]) { seconds in
                seconds < 5 ? .standing : .tilted(Float(min(90, (seconds - 5) * 180)))
            },
            scene("lies down slowly and was never upright", [said(.lying, 1)]) { _ in .tilted(88) },
            scene("sits down", [upright, said(.sitting, 6), said(.upright, 13)]) {
                $0 > 5 && $0 < 12 ? .sitting : .standing
            },
            scene("crouches", [upright, said(.crouched, 6)]) { $0 > 5 ? .crouched : .standing },
            scene("raises the hands", [upright, said(.handsUp, 6), said(.upright, 13)]) {
                $0 > 5 && $0 < 12 ? .handsUp : .standing
            },
            scene("bends over for long", [upright]) { $0 > 5 && $0 < 12 ? .bending : .standing },
            scene("stumbles for half a second", [upright]) { $0 > 5 && $0 < 5.5 ? .tilted(85) : .standing },
            scene("walks", [upright]) { .walking(phase: Float($0)) },
        ]
    }
}
