internal import Foundation
internal import Scene
internal import Testing
internal import TestTools

@testable internal import Events

@Suite struct EventSettingsTests {
    private func settings(_ json: String) throws -> EventSettings {
        try JSONDecoder().decode(EventSettings.self, from: Data(json.utf8))
    }

    @Test func missingKeysHaveTheirDefaults() throws {
        let read = try settings(
            #"{"zones": [{"name": "yard", "polygon": [[0,0],[1,0],[1,1]], "loitering_after_s": 30, "anchor": "mask"}],"#
                + #""lines": [{"name": "door", "a": [0.5,1], "b": [0.5,0], "anchor": "both_feet"}],"#
                + #""posture": {"hold_s": 2}}"#
        )
        var expected = EventSettings()
        var zone = ZoneSettings(name: "yard", polygon: [Point(x: 0, y: 0), Point(x: 1, y: 0), Point(x: 1, y: 1)])
        (zone.loiteringAfter, zone.anchor) = (30, .mask)
        var line = LineSettings(name: "door", a: Point(x: 0.5, y: 1), b: Point(x: 0.5, y: 0))
        line.anchor = .bothFeet
        (expected.zones, expected.lines, expected.posture.hold) = ([zone], [line], 2)
        #expect(read == expected)
        try read.validate()
        let again = try JSONDecoder().decode(EventSettings.self, from: JSONEncoder().encode(read))
        #expect(again == read)
    }

    @Test func theDefaultsAreValid() throws {
        try EventSettings().validate()
        try LogSettings().validate()
    }

    @Test(arguments: [
        (
            #"{"zones":[{"name":"a","polygon":[[0,0],[1,1]]}]}"#,
            "zones[0].polygon: a polygon needs at least 3 corners, found 2"
        ),
        (
            #"{"zones":[{"name":"a","polygon":[[0,0],[1,1],[1,0],[0,1]]}]}"#,
            "zones[0].polygon: the polygon crosses itself: the edge after corner 0 meets the edge after corner 2"
        ),
        (
            #"{"zones":[{"name":"a","polygon":[[0,0],[1.5,0],[1,1]]}]}"#,
            "zones[0].polygon: corner 1 at [1.5, 0] is outside the frame; allowed is 0...1 of its width and height"
        ),
        (
            #"{"zones":[{"name":"a","polygon":[[0,0],[0.001,0],[0,0.001]]}]}"#,
            "zones[0].polygon: the polygon has no area"
        ),
        (
            #"{"zones":[{"name":"a","polygon":[[0,0],[1,0],[1,1]]},{"name":"a","polygon":[[0,0],[1,0],[1,1]]}]}"#,
            "zones[1].name: the name 'a' is taken by another one; give each its own"
        ),
        (#"{"lines":[{"name":"a","a":[0.5,0.5],"b":[0.5,0.5]}]}"#, "lines[0]: the line's ends are the same point"),
        (#"{"min_score":1.5}"#, "min_score: 1.5 is out of range, allowed is 0...1"),
        (
            #"{"zones":[{"name":"","polygon":[[0,0],[1,0],[1,1]]}]}"#,
            "zones[0].name: '' cannot be a name; use 1 to 64 bytes without control characters"
        ),
        (
            #"{"zones":[{"name":"a","polygon":[[0,0],[1,0],[1,1]],"inertia_frames":0}]}"#,
            "zones[0].inertia_frames: 0 is out of range, allowed is 1...100"
        ),
        (#"{"min_height":1.1}"#, "min_height: 1.1 is out of range, allowed is 0...1"),
        (#"{"posture":{"hold_s":-1}}"#, "posture.hold_s: -1 is out of range, allowed is 0...60"),
    ])
    func refusesWhatCannotBe(json: String, complaint: String) throws {
        let settings = try settings(json)
        do {
            try settings.validate()
            Issue.record("accepted \(json)")
        } catch { #expect(error.description == complaint) }
    }

    @Test func everythingThatIsWrongIsTold() throws {
        let settings = try settings(
            #"{"min_score":2,"zones":[{"name":"a","polygon":[[0,0],[1,0]]},{"name":"a","polygon":[[0,0],[2,0],[1,1]],"inertia_s":-1}]}"#
        )
        let paths = settings.problems().map { $0.description.prefix { $0 != ":" } }
        #expect(paths == ["min_score", "zones[1].name", "zones[0].polygon", "zones[1].inertia_s", "zones[1].polygon"])
    }

    @Test func aPointIsTwoNumbers() {
        #expect(throws: DecodingError.self) { try settings(#"{"lines":[{"name":"a","a":[0,0,0],"b":[1,1]}]}"#) }
        #expect(throws: DecodingError.self) { try settings(#"{"lines":[{"name":"a","a":[0],"b":[1,1]}]}"#) }
    }
}

@Suite struct PolygonTests {
    /// A C whose opening is on the right.
    private let shape = Polygon(
        [(0.1, 0.1), (0.9, 0.1), (0.9, 0.3), (0.3, 0.3), (0.3, 0.7), (0.9, 0.7), (0.9, 0.9), (0.1, 0.9)].map {
            Point(x: $0, y: $1)
        })

    @Test func knowsInsideOfAConcaveShape() {
        #expect(shape.contains(Point(x: 0.2, y: 0.5)))
        #expect(shape.contains(Point(x: 0.8, y: 0.2)))
        #expect(!shape.contains(Point(x: 0.6, y: 0.5)))
        #expect(!shape.contains(Point(x: 0.95, y: 0.2)))
        #expect(shape.selfCrossing == nil)
        #expect(abs(shape.area - 0.4) < 1e-6)
    }

    @Test func sharesAreaWithABoxAsPixelsSay() {
        var luck = SplitMix(seed: 1)
        let mask = shape.mask(size: PixelSize(width: 1000, height: 1000))
        for _ in 0..<20 {
            let x = [Float.random(in: 0...1, using: &luck), Float.random(in: 0...1, using: &luck)].sorted()
            let y = [Float.random(in: 0...1, using: &luck), Float.random(in: 0...1, using: &luck)].sorted()
            let box = Box(x0: x[0], y0: y[0], x1: x[1], y1: y[1])
            var pixels = 0
            mask.forEachSegment { column, row, length in
                guard box.x0 <= (Float(column) + 0.5) / 1000, (Float(column) + 0.5) / 1000 <= box.x1 else { return }
                for y in row..<(row + length)
                where box.y0 <= (Float(y) + 0.5) / 1000 && (Float(y) + 0.5) / 1000 <= box.y1 {
                    pixels += 1
                }
            }
            #expect(abs(shape.intersection(box) - Float(pixels) / 1e6) < 0.003)
        }
    }
}
