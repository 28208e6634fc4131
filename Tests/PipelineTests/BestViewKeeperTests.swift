internal import Events
internal import Foundation
internal import Scene
internal import Synchronization
internal import Testing

@testable internal import Pipeline

@Suite struct BestViewKeeperTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "hcqd-views-\(UUID().uuidString)")
        .path
    private let camera = CameraID("front door")

    private func frame(_ seconds: Double) -> Frame {
        let size = PixelSize(width: 320, height: 192)
        let pixels = UnsafeMutablePointer<UInt8>.allocate(capacity: size.width * size.height * 3)
        for i in 0..<(size.width * size.height) {
            for c in 0..<3 { pixels[i * 3 + c] = UInt8(truncatingIfNeeded: (i &* 2_654_435_761 + c * 40) >> 7) }
        }
        let input = NetworkPicture(size: size, content: size, pixels: pixels) { $0.deallocate() }
        let time = StreamTime(microseconds: Int64(seconds * 1e6), utcMicroseconds: Int64(seconds * 1e6))
        return Frame(camera: camera, time: time, index: 0, size: size, input: input, picture: nil)
    }

    private func track(_ ordinal: UInt64, _ box: Box, at time: StreamTime) -> Track {
        Track(
            id: TrackID(camera: camera, ordinal: ordinal), state: .seen, person: Person(box: box, score: 0.9),
            firstSeen: time, lastSeen: time)
    }

    /// Follows one person for three frames and ends the track.
    private func play(isRedacted: Bool) throws -> (end: Event, picture: Data?) {
        let complaints = Mutex<[String]>([])
        let keeper = BestViewKeeper(
            directory: directory, isRedacted: isRedacted, events: EventSettings(), waits: true,
            complain: { text in complaints.withLock { $0.append(text) } })
        var last: Track?
        for second in 0..<3 {
            let frame = frame(Double(second))
            let box = Box(x0: 0.3, y0: 0.3 - 0.1 * Float(second), x1: 0.5, y1: 0.8)
            let track = track(7, box, at: frame.time)
            keeper.note([track], people: [track.person], in: frame)
            last = track
        }
        let report = TrackReport(
            track: try #require(last), topScore: 0.9, size: PixelSize(width: 320, height: 192))
        let end = Event(camera: camera, time: frame(3).time, kind: .end(report, reason: .left))
        let told = keeper.attach(to: [end, end])
        keeper.settle()
        #expect(complaints.withLock { $0 } == [])
        guard case .end(let second, _) = told[1].kind else {
            Issue.record("\(told[1]) is no end")
            return (told[0], nil)
        }
        #expect(second.snapshot == nil, "a picture is named once")
        return (told[0], FileManager.default.contents(atPath: directory + "/front%20door-000007.jpg"))
    }

    @Test func theEndNamesAPictureThatIsThere() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (end, picture) = try play(isRedacted: false)
        guard case .end(let report, _) = end.kind else {
            Issue.record("\(end) is no end")
            return
        }
        #expect(report.snapshot == "front%20door-000007.jpg")
        #expect(picture?.starts(with: [0xff, 0xd8]) == true)
        let path = directory + "/front%20door-000007.jpg"
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o640)
    }

    @Test func aRedactedPictureHoldsNothingOfThePerson() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let plain = try #require(try play(isRedacted: false).picture)
        let redacted = try #require(try play(isRedacted: true).picture)
        // What is covered is of one colour and packs into little.
        #expect(redacted.count * 2 < plain.count)
        #expect(try play(isRedacted: true).picture == redacted, "the same frames give the same picture")
    }

    @Test func aPlaceThatCannotBeWrittenIsToldOnly() throws {
        let complaints = Mutex<[String]>([])
        let keeper = BestViewKeeper(
            directory: "/proc/hcqd", isRedacted: false, events: EventSettings(), waits: true,
            complain: { text in complaints.withLock { $0.append(text) } })
        let frame = frame(0)
        let track = track(1, Box(x0: 0.2, y0: 0.2, x1: 0.6, y1: 0.9), at: frame.time)
        keeper.note([track], people: [], in: frame)
        let report = TrackReport(track: track, topScore: 0.9, size: frame.size)
        _ = keeper.attach(to: [Event(camera: camera, time: frame.time, kind: .end(report, reason: .left))])
        keeper.settle()
        #expect(complaints.withLock { $0.first?.contains("/proc/hcqd") } == true)
    }
}
