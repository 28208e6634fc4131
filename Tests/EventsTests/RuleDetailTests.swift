internal import Scene
internal import Testing
internal import TestTools

@testable internal import Events

@Suite struct GroundPointTests {
    private var luck = SplitMix(seed: 5)

    private mutating func figure(hidden: Set<Joint> = []) -> Person {
        Figure(feet: Point(x: 0.6, y: 0.9), noise: 0, hidden: hidden).person(&luck)
    }

    @Test mutating func isBetweenTheAnklesThatAreSeen() {
        let both = GroundPoint(of: figure(), jointConfidence: 0.5)
        #expect(both.source == .ankles)
        #expect(abs(both.point.x - 0.6 / Figure.aspect) < 0.002)
        #expect(abs(both.point.y - (0.9 - 0.04 * 0.4)) < 0.002)
        let one = GroundPoint(of: figure(hidden: [.leftAnkle]), jointConfidence: 0.5)
        #expect(one.source == .ankles)
        #expect(one.point.x < both.point.x)
    }

    @Test mutating func isBelowTheMaskWhenNoAnkleIsSeenOrTheyLieOutside() {
        let hidden = GroundPoint(of: figure(hidden: [.leftAnkle, .rightAnkle]), jointConfidence: 0.5)
        #expect(hidden.source == .mask)
        #expect(abs(hidden.point.y - 0.9) < 0.02)
        var astray = figure()
        // Also where a stray piece of the mask lies.
        let bitmap = astray.mask?.bitmap().enumerated().map { i, byte -> UInt8 in
            i % Figure.size.width > 150 && i / Figure.size.width < 14 ? 1 : byte
        }
        astray.mask = Mask(size: Figure.size, bitmap: bitmap ?? [])
        for joint in [Joint.leftAnkle, .rightAnkle] {
            astray.keypoints[joint.rawValue].position = Point(x: 0.95, y: 0.1)
        }
        #expect(GroundPoint(of: astray, jointConfidence: 0.5).source == .mask)
    }

    @Test mutating func isTheBoxWhenNothingElseIsKnown() {
        var bare = figure(hidden: [.leftAnkle, .rightAnkle])
        bare.mask = nil
        let ground = GroundPoint(of: bare, jointConfidence: 0.5)
        #expect(ground == GroundPoint(point: Point(x: bare.box.center.x, y: bare.box.y1), source: .box))
    }

    @Test func theLowestRunIsTheLongestOneAtTheBottom() {
        // Two feet, the right one broader; a speck far above them.
        let size = PixelSize(width: 20, height: 10)
        var bitmap = [UInt8](repeating: 0, count: 200)
        for (x, y) in [(2, 9), (3, 9), (10, 9), (11, 9), (12, 9), (13, 9), (6, 0)] { bitmap[y * 20 + x] = 1 }
        #expect(Mask(size: size, bitmap: bitmap).lowestRun(in: Box(x0: 0, y0: 0, x1: 1, y1: 1)) == Point(x: 0.6, y: 1))
    }
}

/// Single rules, each with the least that shows it.
@Suite struct RuleDetailTests {
    private func play(
        _ settings: EventSettings, seconds: Int, fps: Double = 10, _ person: (Double) -> Person
    ) -> [(text: String, seconds: Double)] {
        var rules = EventRules(camera: Made.camera, settings: settings)
        return (0...Int(Double(seconds) * fps)).flatMap { frame -> [(String, Double)] in
            let time = Double(frame) / fps
            return rules.update(with: [Made.track(1, person(time), at: time)], at: Made.time(time), size: Made.size).map
            {
                (GoldenSceneTests.text($0.kind), time)
            }
        }
    }

    @Test func aTrackIsToldWhenItIsSureLargeAndLongEnough() {
        var settings = EventSettings()
        (settings.minScore, settings.minHeight, settings.minDuration) = (0.8, 0.25, 2)
        let told = play(settings, seconds: 5) { time in
            Made.person(x: 0.5, feet: 0.9, height: time < 1 ? 0.2 : 0.3, score: time < 3 ? 0.7 : 0.85)
        }
        #expect(told.map(\.text) == ["start"])
        #expect(told[0].seconds == 3)
    }

    @Test func stationaryIsToldAndSoIsMovingOn() {
        var settings = EventSettings()
        settings.stationaryAfter = 5
        var rules = EventRules(camera: Made.camera, settings: settings)
        var causes: [(UpdateCause?, Double)] = []
        for frame in 0...150 {
            let time = Double(frame) / 10
            let x: Float = time < 10 ? 0.3 + 0.005 * Float(frame % 3) : 0.3 + 0.04 * Float(time - 10)
            for event in rules.update(
                with: [Made.track(1, Made.person(x: x, feet: 0.9), at: time)], at: Made.time(time), size: Made.size)
            {
                if case .update(let report) = event.kind { causes.append((report.cause, time)) }
            }
        }
        #expect(causes.map(\.0) == [.stationary, .moving])
        #expect(causes[0].1 == 5)
        #expect(causes[1].1 > 10 && causes[1].1 < 12)
    }

    @Test func occlusionIsToldWithWhoStandsInFront() {
        var rules = EventRules(camera: Made.camera, settings: EventSettings())
        var told: [(UpdateCause?, TrackID?)] = []
        for (frame, visible) in [1, 0.8, 0.45, 0.55, 0.65, 0.75, 1].enumerated() {
            var track = Made.track(1, Made.person(x: 0.5, feet: 0.9), at: Double(frame))
            (track.visible, track.occludedBy) = (Float(visible), visible < 0.7 ? Made.id(9) : nil)
            for event in rules.update(with: [track], at: Made.time(Double(frame)), size: Made.size) {
                if case .update(let report) = event.kind { told.append((report.cause, report.track.occludedBy)) }
            }
        }
        #expect(told.map(\.0) == [.occluded, .visible])
        #expect(told[0].1 == Made.id(9))
    }

    @Test func aLineCountsBothFeetWhenAskedTo() {
        func crossings(_ anchor: LineSettings.Anchor) -> [Double] {
            var settings = EventSettings()
            var line = LineSettings(name: "door", a: Point(x: 0.5, y: 1), b: Point(x: 0.5, y: 0))
            line.anchor = anchor
            (settings.lines, settings.posture.enabled) = ([line], false)
            var luck = SplitMix(seed: 1)
            return play(settings, seconds: 8) { time in
                // One foot is over the line from 2 s on, the other follows at 6 s.
                var figure = Figure(feet: Point(x: 0.6, y: 0.9), noise: 0)
                figure.feet.x = time < 2 ? 0.5 : time < 6 ? 0.695 : 0.8
                var person = figure.person(&luck)
                if time >= 2, time < 6 { person.keypoints[Joint.rightAnkle.rawValue].position.x = 0.47 }
                return person
            }.filter { $0.text.hasPrefix("line_crossed") }.map(\.seconds)
        }
        #expect(crossings(.bothFeet) == [6.2])
        #expect(crossings(.ground).count == 1)
    }

    @Test func goingAroundALineIsNoCrossing() {
        var settings = EventSettings()
        settings.lines = [LineSettings(name: "half", a: Point(x: 0.5, y: 0.6), b: Point(x: 0.5, y: 0))]
        let told = play(settings, seconds: 8) { time in Made.person(x: 0.1 + 0.1 * Float(time), feet: 0.9) }
        #expect(!told.contains { $0.text.hasPrefix("line_crossed") })
    }

    @Test(arguments: [0.5, 2, 25])
    func aLineIsCrossedOnceAtAnyFrameRate(fps: Double) {
        var settings = EventSettings()
        settings.lines = [LineSettings(name: "door", a: Point(x: 0.5, y: 0), b: Point(x: 0.5, y: 1))]
        let told = play(settings, seconds: 10, fps: fps) { time in Made.person(x: 0.1 + 0.08 * Float(time), feet: 0.9) }
        // A is above B: who goes to the right of the picture goes to the left of A -> B.
        #expect(told.filter { $0.text.hasPrefix("line_crossed") }.map(\.text) == ["line_crossed 1 door left"])
    }

    @Test func reachingOverACounterIsToldOnlyWhereItIsAskedFor() {
        func postures(_ isReaching: Bool, feet: Float) -> [String] {
            var settings = EventSettings()
            var counter = ZoneSettings(
                name: "counter",
                polygon: [(0.5, 0.6), (0.9, 0.6), (0.9, 0.75), (0.5, 0.75)].map { Point(x: $0, y: $1) })
            counter.reaching = isReaching
            settings.zones = [counter]
            var luck = SplitMix(seed: 1)
            return play(settings, seconds: 4) { _ in
                var person = Figure(feet: Point(x: 0.5, y: feet), noise: 0).person(&luck)
                let wrist = Point(x: 0.52, y: 0.7)
                person.keypoints[Joint.leftWrist.rawValue] = Keypoint(position: wrist, confidence: 0.9)
                return person
            }.map(\.text).filter { $0.hasPrefix("posture") }
        }
        #expect(postures(true, feet: 0.95) == ["posture 1 reaching"])
        #expect(postures(false, feet: 0.95) == ["posture 1 upright"])
    }

    @Test func hiddenJointsSayNothing() {
        var luck = SplitMix(seed: 1)
        for pose in [Figure.Pose.standing, .sitting, .crouched, .handsUp, .tilted(90)] {
            for hidden: Set<Joint> in [
                [.leftShoulder, .rightShoulder], [.leftHip, .rightHip], [.leftKnee, .rightKnee], Set(Joint.allCases),
            ] {
                if case .handsUp = pose, hidden.contains(.leftKnee) { continue }
                let person = Figure(pose: pose, feet: Point(x: 0.6, y: 0.9), hidden: hidden).person(&luck)
                let said = PostureRule.posture(of: person, jointConfidence: 0.5, aspect: Figure.aspect)
                #expect(said == nil, "\(pose) without \(hidden)")
            }
        }
    }

    @Test func theWayStaysSmallHoweverLongItIs() {
        var path = GroundPath()
        for step in 0..<100_000 {
            let angle = Float(step) / 50
            let point = Point(x: 0.5 + 0.4 * (angle - angle.rounded(.down)), y: 0.5 + 0.0001 * Float(step % 4000))
            path.append(point, at: Made.time(Double(step) / 10), aspect: 4 / 3)
        }
        #expect(path.points.count <= GroundPath.limit)
        #expect(path.points.count > GroundPath.limit / 4)
        #expect(path.points.first?.microseconds == 0)
        #expect(zip(path.points, path.points.dropFirst()).allSatisfy { $0.microseconds < $1.microseconds })
    }
}
