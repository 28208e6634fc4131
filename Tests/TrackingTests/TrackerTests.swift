import Scene
import Testing
import Tracking

@Suite struct TrackerTests {
    private func person(x: Float, y: Float = 0.5, score: Float = 0.9) -> Person {
        Person(box: Box(x0: x - 0.02, y0: y - 0.1, x1: x + 0.02, y1: y + 0.1), score: score)
    }

    private func time(_ seconds: Double) -> StreamTime {
        StreamTime(microseconds: Int64(seconds * 1e6), utcMicroseconds: Int64(seconds * 1e6))
    }

    @Test func keepsIDWhilePersonWalks() {
        var tracker = Tracker(camera: CameraID("door"), firstOrdinal: 7, settings: TrackerSettings())
        var ids: Set<TrackID> = []
        for frame in 0..<100 {
            let tracks = tracker.update(with: [person(x: 0.2 + 0.004 * Float(frame))], at: time(Double(frame) / 25))
            ids.formUnion(tracks.map(\.id))
            if frame >= 2 { #expect(tracks.map(\.state) == [.seen]) }
        }
        #expect(ids == [TrackID(camera: CameraID("door"), ordinal: 7)])
        #expect(tracker.nextOrdinal == 8)
    }
}
