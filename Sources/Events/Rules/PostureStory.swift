internal import Scene

/// One person's posture over time: said when it held long enough, also through frames that say nothing or stray.
struct PostureStory: Sendable {
    /// What was said last; nil when nothing was, or nothing was seen of it for a while.
    private(set) var current: Posture?
    /// What may be said next.
    private var candidate: Candidate?
    private var fall = Fall()
    private var lastSeen: StreamTime?

    /// A posture that differs from what was said, with few other frames between.
    private struct Candidate {
        let posture: Posture
        let since: StreamTime
        var last: StreamTime
        var agreeing = 1
        var straying = 0
    }

    /// After this long without a posture nothing is known any more. Seconds.
    private static let memory = 10.0
    /// One frame in five may stray.
    private static let tolerance = 0.25
    /// A posture that was not seen for so long has to begin again. Seconds.
    private static let gap = 1.0

    /// - Returns: a posture that is said now, and since when it holds.
    mutating func observe(
        _ person: Person, isReaching: Bool, at time: StreamTime, settings: EventSettings, aspect: Float
    ) -> (posture: Posture, since: StreamTime)? {
        var found = PostureRule.posture(of: person, jointConfidence: settings.jointConfidence, aspect: aspect)
        if isReaching, found != .lying { found = .reaching }
        fall.observe(person, posture: found, at: time, aspect: aspect)
        guard let found else {
            if let lastSeen, time.seconds(since: lastSeen) > Self.memory { (current, candidate) = (nil, nil) }
            return nil
        }
        lastSeen = time
        weigh(found, at: time)
        if let since = fall.since, time.seconds(since: since) >= settings.posture.fallenHold {
            return say(.fallen, since: since)
        }
        guard let candidate, time.seconds(since: candidate.since) >= settings.posture.hold, candidate.agreeing >= 2
        else { return nil }
        return say(candidate.posture, since: candidate.since)
    }

    private mutating func weigh(_ found: Posture, at time: StreamTime) {
        // Who has fallen and still lies has fallen.
        let isAsSaid = found == current || (found == .lying && current == .fallen)
        if let candidate, time.seconds(since: candidate.last) > Self.gap { self.candidate = nil }
        if var candidate {
            if candidate.posture == found {
                candidate.agreeing += 1
                candidate.last = time
            } else {
                candidate.straying += 1
            }
            let isBroken = Double(candidate.straying) > Self.tolerance * Double(candidate.agreeing)
            self.candidate = isBroken ? nil : candidate
        }
        if candidate == nil, !isAsSaid { candidate = Candidate(posture: found, since: time, last: time) }
    }

    private mutating func say(_ posture: Posture, since: StreamTime) -> (posture: Posture, since: StreamTime)? {
        candidate = nil
        guard posture != current else { return nil }
        current = posture
        return (posture, since)
    }
}

/// Whether a person fell: was upright, now lies much lower, wider than high, and still.
struct Fall: Sendable {
    /// When everything began to agree; nil while it does not.
    private(set) var since: StreamTime?
    /// The height that this person had standing, in frame heights.
    private var standing: Float?
    private var restingPlace: Point?

    /// Less than this share of the standing height is left.
    private static let heightLeft: Float = 0.7
    /// The body is at least this much wider than high.
    private static let leastAspect: Float = 0.9
    /// Still is: the middle stays within this share of the standing height.
    private static let stillness: Float = 0.25

    mutating func observe(_ person: Person, posture: Posture?, at time: StreamTime, aspect: Float) {
        if posture == .upright || posture == .handsUp {
            standing = max(person.box.height, 0.95 * (standing ?? 0))
        }
        guard let standing, posture == .lying else {
            // A frame that says nothing neither confirms nor refutes.
            if posture != nil { (since, restingPlace) = (nil, nil) }
            return
        }
        let body = person.mask?.boundingBox ?? person.box
        let isLow = body.height < Self.heightLeft * standing
        let isWide = body.width * aspect > Self.leastAspect * body.height
        guard isLow, isWide else {
            (since, restingPlace) = (nil, nil)
            return
        }
        if let restingPlace, distance(restingPlace, body.center, aspect: aspect) <= Self.stillness * standing { return }
        (since, restingPlace) = (time, body.center)
    }
}
