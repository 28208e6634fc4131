internal import Foundation
internal import Scene
internal import Testing

@testable internal import Events

@Suite struct EventRecordTests {
    private func line(_ event: Event) -> String {
        String(decoding: EventRecord.line(event, sequence: 7, clock: .epoch), as: UTF8.self)
    }

    @Test func theSchemaKnowsEveryType() throws {
        let url = JSONSchema.root.appending(path: "Config/event.schema.json")
        let schema = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
        let cases = try #require(schema["allOf"] as? [[String: [String: Any]]])
        let types = cases.compactMap { ($0["if"]?["properties"] as? [String: [String: Any]])?["type"] }
        let names = types.flatMap { ($0["enum"] as? [String] ?? []) + ([$0["const"]].compactMap { $0 as? String }) }
        #expect(names.sorted() == EventRecord.types.sorted())
    }

    @Test func writesKeysInOrderWithFixedDecimals() {
        var report = Made.report(42, at: 1.25)
        report.track.person.keypoints = []
        report.ground = GroundPoint(point: Point(x: 0.5, y: 0.8), source: .mask)
        report.zones = ["yard"]
        report.enteredZones = ["yard", "gate \"2\""]
        report.posture = .handsUp
        report.path = [PathPoint(point: Point(x: 0.25, y: 0.75), microseconds: 1_234_567)]
        let text = line(Made.event(.end(report, reason: .endOfStream), at: 1.25))
        #expect(
            text == #"{"v":1,"seq":7,"type":"end","camera":"door","t":"2023-11-14T22:13:21.250Z","pts":1.250000,"#
                + #""clock":"epoch","id":"door-000042","label":"person","start":"2023-11-14T22:13:20.000Z","#
                + #""end":"2023-11-14T22:13:21.250Z","reason":"end_of_stream","score":0.900,"top_score":0.900,"#
                + #""box":[0.4500,0.5000,0.5500,0.8000],"size":[640,480],"ground":{"xy":[0.5000,0.8000],"src":"mask"},"#
                + #""zones":["yard"],"entered_zones":["yard","gate \"2\""],"stationary":false,"posture":"hands_up","#
                + #""path":[[0.2500,0.7500,1.234]]}"# + "\n")
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000Z"), (1_700_000_000_999_999, "2023-11-14T22:13:20.999Z"),
            (4_107_542_399_000_000, "2100-02-28T23:59:59.000Z"), (-62_135_596_800_000_000, "0001-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func spellsTimes(microseconds: Int64, text: String) {
        #expect(Timestamp.text(utcMicroseconds: microseconds) == text)
        #expect(Timestamp.utcMicroseconds(text) == microseconds - (microseconds % 1000 + 1000) % 1000)
    }

    @Test func everyNumberHasATime() {
        #expect(Timestamp.text(utcMicroseconds: .min) == "-290308-12-21T19:59:05.224Z")
        #expect(Timestamp.text(utcMicroseconds: .max) == "294247-01-10T04:00:54.775Z")
    }

    @Test func readsTimesThatPeopleType() {
        #expect(Timestamp.utcMicroseconds("1970-01-02") == 86_400_000_000)
        #expect(Timestamp.utcMicroseconds("1970-01-01 00:01") == 60_000_000)
        #expect(Timestamp.utcMicroseconds("1970-01-01T01:00:00+01:00") == 0)
        #expect(Timestamp.utcMicroseconds("2023-02-29") == nil)
        #expect(Timestamp.utcMicroseconds("2023-02-28T24:00") == nil)
        #expect(Timestamp.utcMicroseconds("yesterday") == nil)
    }

    @Test func roundsAndSurvivesOddNumbers() {
        var json = JSONLineEncoder()
        json.array([0.00005, -0.00004, 1, -2.5, .nan, .infinity] as [Double]) { $0.number($1, decimals: 4) }
        #expect(String(decoding: json.bytes, as: UTF8.self) == "[0.0001,0.0000,1.0000,-2.5000,0.0000,0.0000]")
    }

    @Test func escapesControlCharacters() {
        var json = JSONLineEncoder()
        json.string("a\"\\\n\u{1}\u{7f}\u{e9}")
        #expect(String(decoding: json.bytes, as: UTF8.self) == "\"a\\\"\\\\\\n\\u0001\\u007f\u{e9}\"")
    }

    @Test func leavesOutMaskThenPathWhenALineIsTooLong() throws {
        // Every second pixel: the longest spelling that a mask can have.
        let size = PixelSize(width: 512, height: 512)
        let mask = Mask(size: size, runs: [UInt32](repeating: 1, count: size.width * size.height))
        var report = Made.report(1, at: 0)
        report.track.person.mask = mask
        report.path = [PathPoint(point: Point(x: 0, y: 0), microseconds: 0)]
        let noMask = EventRecord.line(Made.event(.start(report), at: 0), sequence: 1, clock: .epoch)
        #expect(noMask.count <= 65_536)
        #expect(String(decoding: noMask, as: UTF8.self).contains(#""cut":["mask"]"#))
        #expect(String(decoding: noMask, as: UTF8.self).contains(#""path""#))

        report.path = [PathPoint](repeating: report.path[0], count: 4000)
        let neither = EventRecord.line(Made.event(.start(report), at: 0), sequence: 1, clock: .epoch)
        #expect(neither.count <= 65_536)
        #expect(String(decoding: neither, as: UTF8.self).contains(#""cut":["mask","path"]"#))
        #expect(try JSONSchema.complaints(about: noMask + neither) == "")
    }

    @Test func everyKindIsValidByTheSchema() throws {
        let bytes = Self.everyKind.enumerated().flatMap {
            EventRecord.line($0.element, sequence: UInt64($0.offset + 1), clock: .wall)
        }
        #expect(try JSONSchema.complaints(about: bytes) == "")
        guard JSONSchema.python != nil else { return }
        let broken = Array(
            #"{"v":1,"seq":1,"type":"occupancy","camera":"door","t":"soon","pts":0,"clock":"wall"}"#.utf8)
        #expect(try JSONSchema.complaints(about: broken).contains("soon"), "the validator must bite")
    }

    @Test func readsBackWhatItWrote() throws {
        for (i, event) in Self.everyKind.enumerated() {
            let bytes = EventRecord.line(event, sequence: UInt64(i), clock: .wall)
            let line = try #require(LogLine(bytes.dropLast()))
            #expect(line.seq == UInt64(i))
            #expect(line.type == EventRecord.type(of: event.kind))
            guard case .start(let report) = event.kind else { continue }
            let read = try #require(line.report())
            #expect(read.track.person.mask == report.track.person.mask)
            #expect(read.track.person.keypoints.count == report.track.person.keypoints.count)
            #expect(read.ground == report.ground)
            #expect(read.track.firstSeen == report.track.firstSeen)
        }
    }

    /// One event of every kind, with everything in it that a line can carry.
    static var everyKind: [Event] {
        var report = Made.report(1, at: 2)
        report.track.person.mask = Mask(size: PixelSize(width: 8, height: 4), runs: [9, 3, 20])
        report.track.person.keypoints = [Keypoint](
            repeating: Keypoint(position: Point(x: 0.5, y: 0.25), confidence: 0.75), count: 17)
        report.track.visible = 0.5
        report.track.occludedBy = Made.id(2)
        report.ground = GroundPoint(point: Point(x: 0.5, y: 0.75), source: .ankles)
        (report.zones, report.enteredZones, report.stationary) = (["yard"], ["yard", "road"], true)
        (report.posture, report.snapshot) = (.fallen, "door-000001.jpg")
        report.path = [PathPoint(point: Point(x: 0.5, y: 0.75), microseconds: 2_000_000)]
        var update = report
        update.cause = .stationary
        var kinds: [Event.Kind] = [.start(report), .update(update)]
        kinds += EndReason.allCases.map { .end(report, reason: $0) }
        kinds += Posture.allCases.map { .posture(Made.id(1), $0, since: Made.time(1)) }
        kinds += CrossingDirection.allCases.map { .lineCrossed(Made.id(1), line: "kerb", direction: $0) }
        kinds += CameraChange.State.allCases.map {
            .camera(CameraChange($0, reason: "no route to host", attempt: 3, retryIn: 5.5))
        }
        kinds += [
            .zoneEntered(Made.id(1), zone: "yard"), .zoneLeft(Made.id(1), zone: "yard", dwell: 12.5),
            .loitering(Made.id(1), zone: "yard", dwell: 60), .occupancy(zone: "yard", count: 2),
            .stats(CameraStatistics(fpsIn: 25, fpsInferred: 12.5, framesSkipped: ["newer": 12, "corrupt": 1])),
            .eventsDropped(EventLoss(count: ["update": 3], since: Made.time(1))),
        ]
        return kinds.map { Made.event($0, at: 2) }
    }
}
