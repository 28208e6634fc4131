internal import Scene

/// One person and one zone: whether the person is in, by a judgement that changes only when it held for a while.
///
/// Frames in which the person was not found change nothing, so a stay survives an occlusion.
struct ZoneVisit: Sendable {
    /// nil while outside; else the first moment inside.
    private(set) var since: StreamTime?
    /// Whether `zone_entered` was written for this stay.
    var isTold = false
    private var hasLoitered = false
    /// The run of frames that say otherwise.
    private var pending: (since: StreamTime, frames: Int)?

    enum Change {
        /// Over after `dwell` seconds inside; `wasTold` when its beginning stands in the log.
        case left(dwell: Double, wasTold: Bool)
        case loitered(dwell: Double)
    }

    mutating func observe(isInside: Bool, at time: StreamTime, settings: ZoneSettings) -> Change? {
        if isInside == (since != nil) {
            pending = nil
        } else {
            let run = pending.map { (since: $0.since, frames: $0.frames + 1) } ?? (since: time, frames: 1)
            pending = run
            if run.frames >= settings.inertiaFrames, time.seconds(since: run.since) >= settings.inertia {
                pending = nil
                if since != nil { return leave(at: run.since) }
                (since, hasLoitered) = (run.since, false)
            }
        }
        return loiter(at: time, after: settings.loiteringAfter)
    }

    /// Ends the stay, when there is one.
    mutating func leave(at time: StreamTime) -> Change? {
        guard let entered = since else { return nil }
        let change = Change.left(dwell: max(0, time.seconds(since: entered)), wasTold: isTold)
        (since, isTold) = (nil, false)
        return change
    }

    private mutating func loiter(at time: StreamTime, after limit: Double?) -> Change? {
        guard let since, let limit, !hasLoitered, isTold else { return nil }
        let dwell = time.seconds(since: since)
        guard dwell >= limit else { return nil }
        hasLoitered = true
        return .loitered(dwell: dwell)
    }
}
