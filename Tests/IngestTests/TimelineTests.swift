import Testing

@testable import Ingest

@Suite struct TimelineTests {
    /// Stream times for time-stamps in milliseconds, at 40 ms a frame.
    private func times(_ stamps: [Int64?], mayJump: Bool = false) -> [Int64] {
        var timeline = Timeline(mayJump: mayJump)
        return stamps.map { timeline.advance(stamp: $0.map { $0 * 1000 }, step: 40_000).time / 1000 }
    }

    @Test func startsAtZeroAndFollowsTheStamps() {
        #expect(times([1400, 1440, 1500, 2500]) == [0, 40, 100, 1100])
    }

    @Test func nothingIsOutOfOrderAfterTheReaderWentBack() {
        var timeline = Timeline(mayJump: false)
        _ = timeline.advance(stamp: 1_000_000, step: 40_000)
        timeline.goBack()
        for time: Int64 in [0, 40_000, 20_000_000] {
            let (found, finding) = timeline.advance(stamp: 1_000_000 + time, step: 40_000)
            #expect(found == time && finding == .regular)
        }
    }

    @Test func missingStampsAreMadeUp() {
        #expect(times([nil, nil, nil]) == [0, 40, 80])
        #expect(times([nil, 5000, 5040]) == [0, 40, 80])
        #expect(times([0, 40, nil, 120]) == [0, 40, 80, 120])
    }

    @Test func oneFrameOutOfOrderDelaysNothing() {
        #expect(times([0, 40, 120, 80, 160]) == [0, 40, 120, 121, 160])
    }

    @Test func restartOfTheStampsGoesOnByOneFrame() {
        #expect(times([0, 40, 80, 0, 40, 80]) == [0, 40, 80, 81, 82, 122])
        #expect(times([1000, 2000, 0, 40, 80]) == [0, 1000, 1040, 1080, 1120])
    }

    @Test func longGapStaysInFilesAndGoesInBroadcasts() {
        #expect(times([0, 40, 60_000, 60_040]) == [0, 40, 60_000, 60_040])
        #expect(times([0, 40, 60_000, 60_040], mayJump: true) == [0, 40, 80, 120])
        #expect(times([0, 40, 9000], mayJump: true) == [0, 40, 9000])
    }

    @Test func jumpIsReportedWithItsLength() {
        var timeline = Timeline(mayJump: true)
        _ = timeline.advance(stamp: 0, step: 40_000)
        #expect(timeline.advance(stamp: 3_600_040_000, step: 40_000).finding == .jump(3_600_000_000))
        #expect(timeline.advance(stamp: 3_600_080_000, step: 40_000).finding == .regular)
        #expect(timeline.advance(stamp: 80_000, step: 40_000).finding == .jump(-3_600_040_000))
    }

    @Test func timeRisesWhateverComes() {
        var timeline = Timeline(mayJump: true)
        var state: UInt64 = 1
        var last: Int64 = -1
        for _ in 0..<10_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let stamp = Int64(bitPattern: state) >> Int64(20 + state % 40)
            let time = timeline.advance(stamp: state % 7 == 0 ? nil : stamp, step: Int64(state % 50_000)).time
            #expect(time > last)
            last = time
        }
    }
}

@Suite struct FrameSamplerTests {
    private func kept(_ fps: Double?, of times: [Int64]) -> [Int64] {
        var sampler = FrameSampler(fps: fps)
        return times.filter { sampler.wants($0) }
    }

    @Test func keepsEveryFrameWithoutARate() {
        #expect(kept(nil, of: [0, 1, 2]) == [0, 1, 2])
    }

    @Test func spreadsEvenly() {
        let times = (0..<100).map { Int64($0) * 40_000 }
        #expect(kept(5, of: times) == (0..<20).map { Int64($0) * 200_000 })
        #expect(kept(25, of: times) == times)
        #expect(kept(100, of: times) == times)
        #expect(kept(10, of: times).count == 40)
    }

    @Test func takesTheFirstFrameAfterAGap() {
        #expect(kept(1, of: [0, 500_000, 3_300_000, 3_900_000, 4_000_000]) == [0, 3_300_000, 4_000_000])
    }
}

@Suite struct ArrivalClockTests {
    @Test func earliestArrivalRules() {
        var clock = ArrivalClock()
        let wall: Int64 = 1_700_000_000_000_000
        #expect(clock.stamp(stream: 0, monotonic: 1_000_000, wall: wall).utc == wall)
        // Late by 300 ms: dated when it was taken, but for the drift that is allowed.
        #expect(clock.stamp(stream: 40_000, monotonic: 1_340_000, wall: wall + 340_000).utc == wall + 40_000 + 170)
        // Early by 20 ms: all before were late.
        #expect(clock.stamp(stream: 400_000, monotonic: 1_380_000, wall: wall + 380_000).utc == wall + 380_000)
    }

    @Test func stepOfTheClockIsFollowedAndReported() {
        var clock = ArrivalClock()
        _ = clock.stamp(stream: 0, monotonic: 0, wall: 1_000_000_000)
        let (utc, step) = clock.stamp(stream: 40_000, monotonic: 40_000, wall: 4_600_040_000)
        #expect(step == 3_600_000_000)
        #expect(utc == 4_600_040_000)
    }
}
