import Foundation
import Scene
import Testing
import TestTools
import Tracking

@Suite struct TrackerTests {
    private func person(x: Float, y: Float = 0.5, score: Float = 0.9) -> Person {
        Person(box: Box(x0: x - 0.02, y0: y - 0.1, x1: x + 0.02, y1: y + 0.1), score: score)
    }

    private func time(_ seconds: Double) -> StreamTime {
        StreamTime(microseconds: Int64(seconds * 1e6), utcMicroseconds: Int64(seconds * 1e6))
    }

    private func tracker(first: UInt64 = 1) -> Tracker {
        Tracker(camera: CameraID("door"), firstOrdinal: first, settings: TrackerSettings())
    }

    @Test func keepsIDWhilePersonWalks() {
        var tracker = tracker(first: 7)
        var ids: Set<TrackID> = []
        for frame in 0..<100 {
            let tracks = tracker.update(with: [person(x: 0.2 + 0.004 * Float(frame))], at: time(Double(frame) / 25))
            ids.formUnion(tracks.map(\.id))
            if frame >= 2 { #expect(tracks.map(\.state) == [.seen]) }
        }
        #expect(ids == [TrackID(camera: CameraID("door"), ordinal: 7)])
        #expect(tracker.nextOrdinal == 8)
    }

    @Test func aSingleDetectionIsNobody() {
        var tracker = tracker()
        for frame in 0..<50 {
            let people = frame % 10 == 0 ? [person(x: 0.1 + 0.01 * Float(frame))] : []
            #expect(tracker.update(with: people, at: time(Double(frame) / 25)).isEmpty)
        }
        #expect(tracker.nextOrdinal == 1)
    }

    @Test func weakDetectionsContinueATrackAndStartNone() {
        var tracker = tracker()
        for frame in 0..<10 { _ = tracker.update(with: [person(x: 0.5)], at: time(Double(frame) / 25)) }
        for frame in 10..<60 {
            let people = [person(x: 0.5, score: 0.3), person(x: 0.2, score: 0.3)]
            let tracks = tracker.update(with: people, at: time(Double(frame) / 25))
            #expect(tracks.map(\.id.ordinal) == [1] && tracks[0].state == .seen)
        }
    }

    @Test func endsOnceAndForAllAndNeverReusesAnID() {
        var tracker = tracker()
        var (ends, ids): ([UInt64], Set<UInt64>) = ([], [])
        for frame in 0..<2000 {
            let people = frame % 200 < 50 ? [person(x: 0.5)] : []
            for track in tracker.update(with: people, at: time(Double(frame) / 25)) {
                #expect(!ends.contains(track.id.ordinal))
                ids.insert(track.id.ordinal)
                if case .ended(let reason) = track.state {
                    #expect(reason == .lost)
                    ends.append(track.id.ordinal)
                }
            }
        }
        #expect(ends == Array(1...10) && ids == Set(1...10))
    }

    @Test func finishingEndsEverybodyWithItsReason() {
        var tracker = tracker()
        for frame in 0..<5 {
            _ = tracker.update(with: [person(x: 0.2), person(x: 0.7)], at: time(Double(frame) / 25))
        }
        #expect(tracker.finish(.discontinuity).map(\.state) == [.ended(.discontinuity), .ended(.discontinuity)])
        #expect(tracker.finish(.shutdown).isEmpty && tracker.followedCount == 0)
        for frame in 5..<9 { _ = tracker.update(with: [person(x: 0.2)], at: time(Double(frame) / 25)) }
        #expect(tracker.nextOrdinal == 4)
    }

    @Test func aMissedPersonIsReportedWhereExpected() throws {
        var tracker = tracker()
        for frame in 0..<25 {
            _ = tracker.update(with: [person(x: 0.2 + 0.008 * Float(frame))], at: time(Double(frame) / 25))
        }
        let missed = try #require(tracker.update(with: [], at: time(1.2)).first)
        #expect(missed.state == .missed)
        #expect(missed.lastSeen == time(0.96) && missed.firstSeen == time(0))
        // Six frames on at 0.008 a frame.
        #expect(abs(missed.person.box.center.x - (0.2 + 0.008 * 30)) < 0.01)
    }

    @Test func whoIsOutOfSightKeepsAboutTheSizeThatWasSeen() throws {
        // Walks towards the camera, a third higher every second, and is gone for two and a half.
        var tracker = tracker()
        var height: Float = 0.2
        for frame in 0..<25 {
            height = 0.2 * (1 + Float(frame) / 75)
            let box = Box(x0: 0.5 - height / 8, y0: 0.8 - height, x1: 0.5 + height / 8, y1: 0.8)
            _ = tracker.update(with: [Person(box: box, score: 0.9)], at: time(Double(frame) / 25))
        }
        for frame in 25..<87 {
            let missed = try #require(tracker.update(with: [], at: time(Double(frame) / 25)).first)
            #expect(missed.state == .missed)
            #expect(missed.person.box.height < 1.25 * height && missed.person.box.height > 0.8 * height)
        }
    }

    @Test func theSamePeopleGiveTheSameTracks() {
        func run() -> [String] {
            var followed = FollowedScene(DrawnScene(crowd(8, seed: 3)))
            var lines: [String] = []
            followed.run(times: moments(to: 4, fps: 10)) { seconds, tracks in
                for (index, track) in tracks.sorted(by: { $0.key < $1.key }) {
                    lines.append("\(seconds) \(index) \(track.id) \(track.person.box) \(track.visible ?? -1)")
                }
            }
            return lines
        }
        #expect(run() == run())
    }

    @Test func settingsComeBackFromJSON() throws {
        let settings = TrackerSettings.boxesOnly
        let data = try JSONEncoder().encode(settings)
        #expect(try JSONDecoder().decode(TrackerSettings.self, from: data) == settings)
    }
}

/// People who walk to and fro at their own speeds, some nearer and some farther.
func crowd(_ count: Int, seed: UInt64) -> [DrawnPerson] {
    var random = SplitMix(seed: seed)
    return (0..<count).map { index in
        let y = Float.random(in: 0.55...0.95, using: &random)
        let height = y - 0.4
        let speed = Float.random(in: 0.3...0.9, using: &random) * height / (16.0 / 9.0)
        let start = Float.random(in: 0...2, using: &random)
        let misses = UInt64.random(in: 1...1_000_000, using: &random)
        return DrawnPerson(
            place: { seconds in
                let way = (start + speed * Float(seconds)).truncatingRemainder(dividingBy: 2)
                return (Point(x: 0.05 + 0.9 * (way < 1 ? way : 2 - way), y: y), height)
            }, look: index + 100 * Int(seed),
            isMissed: { seconds in
                var dice = SplitMix(seed: misses &+ UInt64(seconds * 1000))
                return dice.next() % 10 == 0
            })
    }
}
