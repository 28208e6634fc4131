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

    @Test func streamThatStoodStillIsFollowedAfterAMinute() {
        var clock = ArrivalClock()
        var late: Int64 = 0
        for second in 0..<150 {
            // The camera stops for 8 s and goes on counting as if it had not.
            let now = Int64(second) * 1_000_000
            late = now - clock.stamp(stream: second < 10 ? now : now - 8_000_000, monotonic: now, wall: now).utc
            if second == 20 { #expect(late > 7_900_000) }
        }
        #expect((0..<10_000).contains(late), "\(late)")
    }

    @Test func stepOfTheClockIsFollowedAndReported() {
        var clock = ArrivalClock()
        _ = clock.stamp(stream: 0, monotonic: 0, wall: 1_000_000_000)
        let (utc, step) = clock.stamp(stream: 40_000, monotonic: 40_000, wall: 4_600_040_000)
        #expect(step == 3_600_000_000)
        #expect(utc == 4_600_040_000)
    }
}

@Suite struct StampTrustTests {
    /// After how many seconds trust is lost, for a camera of `fps` whose stream runs at `pace`; nil when it never is.
    private func lost(fps: Int64 = 10, seconds: Int64 = 600, pace: (Int64) -> Double) -> Int64? {
        var trust = StampTrust(isLost: false)
        var stream = 0.0
        for frame in 0..<(seconds * fps) {
            let now = frame * 1_000_000 / fps
            stream += pace(now / 1_000_000) * 1_000_000 / Double(fps)
            if trust.note(stream: Int64(stream), monotonic: now, isJump: false) { return now / 1_000_000 }
        }
        return nil
    }

    @Test func camerasThatCountPicturesTheyDoNotTakeAreDatedByArrival() {
        #expect(lost { _ in 0.5 } == 90)
        #expect(lost { _ in 5 } == 90)
        #expect(lost { $0 < 300 ? 1 : 0.5 }.map { (330...400).contains($0) } == true)
    }

    @Test func soundClocksLateSegmentsAndOnePauseAreBelieved() {
        #expect(lost { _ in 1.02 } == nil)
        // Half a minute that the server had kept comes at once.
        #expect(lost { $0 < 1 ? 31 : 1 } == nil)
        // HLS: ten seconds at a time.
        #expect(lost { $0 % 10 == 0 ? 10 : 0.0001 } == nil)
        #expect(lost { (100..<125).contains($0) ? 0.0001 : 1 } == nil)
    }

    @Test func manyJumpsInAMinuteAreTooMany() {
        func jumps(every seconds: Int64) -> Bool {
            var trust = StampTrust(isLost: false)
            for second in 0..<300 {
                let now = Int64(second) * 1_000_000
                _ = trust.note(stream: now, monotonic: now, isJump: Int64(second) % seconds == 0)
            }
            return trust.isLost
        }
        #expect(jumps(every: 5))
        #expect(!jumps(every: 10))
    }
}
