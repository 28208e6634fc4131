internal import Scene

/// Turns a stream's time-stamps, which may be missing, jump or go back, into stream time, which never goes back.
///
/// A value without a clock, so that every fault can be tested with numbers.
struct Timeline {
    /// What a time-stamp turned out to be.
    enum Finding: Equatable {
        case regular
        /// Missing, or a little out of order: made up.
        case repaired
        /// A jump of this many microseconds, taken out.
        case jump(Int64)

        var isJump: Bool { if case .jump = self { true } else { false } }
    }

    /// A jump forward beyond this is taken out: 10 s where a format may jump (MPEG-TS, RTP), 30 h elsewhere, where a
    /// long gap means that nothing was recorded. These are the thresholds of the ffmpeg tool.
    private let largestGap: Int64
    /// A step back up to this may be a frame out of order; time waits for the stream to catch up.
    private static let smallestJumpBack: Int64 = 500_000
    private static let framesToWait = 2
    /// Between frames whose true distance is unknown; the event log's resolution.
    private static let leastStep: Int64 = 1000

    private var offset: Int64?
    private var last: Int64?
    private var waiting = 0

    init(mayJump: Bool) { largestGap = mayJump ? 10_000_000 : 108_000_000_000 }

    /// - Parameters:
    ///   - stamp: the frame's presentation time in microseconds, or nil.
    ///   - step: the time to add when the stamp is of no use: the last frame's duration or, live, the time that passed.
    /// - Returns: microseconds since the first frame, greater than every value before.
    mutating func advance(stamp: Int64?, step: Int64) -> (time: Int64, finding: Finding) {
        let step = max(step, Self.leastStep)
        guard let last else {
            last = 0
            offset = stamp.map { -$0 }
            return (0, stamp == nil ? .repaired : .regular)
        }
        guard let stamp else { return (commit(last + step), .repaired) }
        guard let offset else {
            self.offset = last + step - stamp
            return (commit(last + step), .regular)
        }
        let time = stamp + offset
        if time > last && time - last <= largestGap {
            waiting = 0
            return (commit(time), .regular)
        }
        if time <= last && last - time <= Self.smallestJumpBack && waiting < Self.framesToWait {
            waiting += 1
            return (commit(last + Self.leastStep), .repaired)
        }
        let expected = last + step
        waiting = 0
        self.offset = expected - stamp
        return (commit(expected), .jump(time - expected))
    }

    /// The next frame may be any from the first one on: the reader went to another place of the stream.
    mutating func goBack() { last = -1 }

    private mutating func commit(_ time: Int64) -> Int64 {
        last = time
        return time
    }
}

/// Picks frames so that at most a given number a second remain, evenly spread.
struct FrameSampler {
    private let fps: Double?
    private var nextSlot: Int64 = .min

    /// - Precondition: `fps` is positive.
    init(fps: Double?) {
        precondition(fps.map { $0 > 0 } ?? true, "a sample rate is positive")
        self.fps = fps
    }

    /// Whether the frame at this stream time is wanted: the first one in each slot of `1 / fps` seconds.
    mutating func wants(_ microseconds: Int64) -> Bool {
        guard let fps else { return true }
        // A frame some microseconds early by rounding still belongs to its slot.
        let slot = Int64((Double(microseconds + 500) * fps / 1_000_000).rounded(.down))
        guard slot >= nextSlot else { return false }
        nextSlot = slot + 1
        return true
    }
}

/// Gives frames of a live stream the wall-clock time at which they were taken, as well as arrival can tell it.
///
/// Packets can be late and never early, so the earliest arrival relative to stream time is the best one; it may rise
/// slowly since clocks drift. When every packet of a minute was late, the stream's clock is slow or stood still. A step
/// of the machine's clock is followed at once.
struct ArrivalClock {
    /// Monotonic minus stream time, microseconds.
    private var lag: Int64?
    /// The least of it since a monotonic time.
    private var recent: (least: Int64, since: Int64)?
    private var lastMonotonic: Int64 = 0
    private var lastWallOffset: Int64 = 0
    /// How fast the lag may rise: 500 parts in a million.
    private static let drift: Int64 = 2000
    private static let smallestStep: Int64 = 500_000
    private static let minute: Int64 = 60_000_000

    /// - Parameter monotonic: microseconds of the monotonic clock now; `wall` of the wall clock.
    /// - Returns: microseconds since 1970, and how far the wall clock was set since the last frame (0 for less than 0.5
    /// s).
    mutating func stamp(stream: Int64, monotonic: Int64, wall: Int64) -> (utc: Int64, step: Int64) {
        let wallOffset = wall - monotonic
        var step: Int64 = 0
        if let known = lag {
            let risen = known + (monotonic - lastMonotonic) / Self.drift
            lag = max(min(monotonic - stream, risen), leastOfAMinute(monotonic - stream, monotonic))
            if abs(wallOffset - lastWallOffset) >= Self.smallestStep { step = wallOffset - lastWallOffset }
        } else {
            lag = monotonic - stream
        }
        lastMonotonic = monotonic
        lastWallOffset = wallOffset
        return (stream + (lag ?? 0) + wallOffset, step)
    }

    /// The least lag of the minute that ends just now; while none does, one that rules nothing out.
    private mutating func leastOfAMinute(_ found: Int64, _ monotonic: Int64) -> Int64 {
        let (least, since) = recent ?? (found, monotonic)
        let isOver = monotonic - since >= Self.minute
        recent = isOver ? nil : (min(least, found), since)
        return isOver ? min(least, found) : .min
    }

    /// Forgets the lag after a discontinuity of the stream.
    mutating func restart() { (lag, recent) = (nil, nil) }
}
