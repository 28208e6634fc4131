internal import Scene

/// What the rules remember of one person.
struct TrackStory: Sendable {
    private(set) var track: Track
    /// As last found; what the log says of them.
    private var seen: Person
    private var size: PixelSize
    /// Whether `start` was written.
    private var isTold = false
    private var topScore: Float = 0
    private var topHeight: Float = 0
    private var ground: GroundPoint?
    private var visits: [ZoneVisit]
    private var sides: [LineSide]
    private var enteredZones: [String] = []
    private var stillness = Stillness()
    private var posture = PostureStory()
    private var path = GroundPath()
    private var isOccluded = false
    private var lastTold: StreamTime
    private var told = Told()

    /// What the last line said, to see what changed.
    private struct Told: Equatable {
        var zones: [String] = []
        var posture: Posture?
        var isStationary = false
        var isOccluded = false
    }

    init(_ track: Track, places: Places, size: PixelSize) {
        self.track = track
        seen = track.person
        self.size = size
        self.lastTold = track.firstSeen
        visits = [ZoneVisit](repeating: ZoneVisit(), count: places.zones.count)
        sides = [LineSide](repeating: LineSide(), count: places.lines.count)
    }

    mutating func observe(
        _ track: Track, at time: StreamTime, size: PixelSize, settings: EventSettings, places: Places,
        into kinds: inout [Event.Kind]
    ) {
        self.track = track
        self.size = size
        observeOcclusion()
        var news: [Event.Kind] = []
        if track.state == .seen {
            seen = track.person
            topScore = max(topScore, track.person.score)
            topHeight = max(topHeight, track.person.box.height)
            let ground = GroundPoint(of: track.person, jointConfidence: settings.jointConfidence)
            self.ground = ground
            observePlaces(ground, at: time, settings: settings, places: places, into: &news)
            observeBody(ground, at: time, settings: settings, places: places, into: &news)
        }
        if !isTold {
            guard isWorthTelling(at: time, settings: settings) else { return }
            isTold = true
            refreshTold(at: time, settings: settings)
            kinds.append(.start(report(cause: nil, settings: settings)))
        }
        kinds += news
        tellEntries(settings: settings, into: &kinds)
        tellChange(at: time, settings: settings, into: &kinds)
    }

    /// Closes open stays and says `end`, for a track that was told.
    mutating func end(
        _ track: Track, reason: EndReason, at time: StreamTime, settings: EventSettings, into kinds: inout [Event.Kind]
    ) {
        self.track = track
        guard isTold else { return }
        for (i, line) in settings.lines.enumerated() {
            if let direction = sides[i].finish() {
                kinds.append(.lineCrossed(track.id, line: line.name, direction: direction))
            }
        }
        for (i, zone) in settings.zones.enumerated() {
            if case .left(let dwell, wasTold: true) = visits[i].leave(at: track.lastSeen) {
                kinds.append(.zoneLeft(track.id, zone: zone.name, dwell: dwell))
            }
        }
        kinds.append(.end(report(cause: nil, settings: settings), reason: reason))
    }

    private mutating func observePlaces(
        _ ground: GroundPoint, at time: StreamTime, settings: EventSettings, places: Places,
        into news: inout [Event.Kind]
    ) {
        let (id, person) = (track.id, track.person)
        for (i, zone) in places.zones.enumerated() {
            guard zone.settings.isTold else { continue }
            let counts = topScore >= zone.settings.minScore && topHeight >= zone.settings.minHeight
            let isInside = counts && zone.holds(person, ground: ground)
            switch visits[i].observe(isInside: isInside, at: time, settings: zone.settings) {
            case .left(let dwell, wasTold: true)?: news.append(.zoneLeft(id, zone: zone.settings.name, dwell: dwell))
            case .loitered(let dwell)?: news.append(.loitering(id, zone: zone.settings.name, dwell: dwell))
            case .left?, nil: break
            }
        }
        for (i, line) in places.lines.enumerated() where person.box.height >= line.minHeight {
            let feet = line.anchor == .bothFeet ? bothFeet(confidence: settings.jointConfidence) : nil
            let direction = sides[i].observe(
                feet: feet ?? [ground.point], ground: ground.point, height: person.box.height, visible: track.visible,
                at: time, line: line, aspect: aspect)
            if let direction { news.append(.lineCrossed(id, line: line.name, direction: direction)) }
        }
    }

    private mutating func observeBody(
        _ ground: GroundPoint, at time: StreamTime, settings: EventSettings, places: Places,
        into news: inout [Event.Kind]
    ) {
        let height = track.person.box.height
        stillness.observe(ground.point, height: height, at: time, settings: settings, aspect: aspect)
        path.append(ground.point, at: time, aspect: aspect)
        guard settings.posture.enabled else { return }
        let isReaching = places.zones.contains {
            $0.settings.reaching
                && $0.isReachedInto(by: track.person, ground: ground, confidence: settings.jointConfidence)
        }
        if let change = posture.observe(
            track.person, isReaching: isReaching, at: time, settings: settings, aspect: aspect)
        {
            news.append(.posture(track.id, change.posture, since: change.since))
        }
    }

    /// With a gap between the two thresholds, so that it does not flicker.
    private mutating func observeOcclusion() {
        let visible = track.visible ?? 1
        if visible < 0.5 { isOccluded = true } else if visible > 0.7 { isOccluded = false }
    }

    private func isWorthTelling(at time: StreamTime, settings: EventSettings) -> Bool {
        let required = settings.zones.indices.filter { settings.zones[$0].purpose == .required }
        return topScore >= settings.minScore && topHeight >= settings.minHeight
            && time.seconds(since: track.firstSeen) >= settings.minDuration
            && (required.isEmpty || required.contains { visits[$0].since != nil })
    }

    private mutating func tellEntries(settings: EventSettings, into kinds: inout [Event.Kind]) {
        for (i, zone) in settings.zones.enumerated() where visits[i].since != nil && !visits[i].isTold {
            visits[i].isTold = true
            if !enteredZones.contains(zone.name) { enteredZones.append(zone.name) }
            kinds.append(.zoneEntered(track.id, zone: zone.name))
        }
    }

    private mutating func tellChange(at time: StreamTime, settings: EventSettings, into kinds: inout [Event.Kind]) {
        guard let cause = cause(from: told, at: time, settings: settings) else { return }
        refreshTold(at: time, settings: settings)
        kinds.append(.update(report(cause: cause, settings: settings)))
    }

    private func cause(from before: Told, at time: StreamTime, settings: EventSettings) -> UpdateCause? {
        let now = state(settings: settings)
        if now.zones != before.zones { return .zones }
        if now.posture != before.posture { return .posture }
        if now.isStationary != before.isStationary { return now.isStationary ? .stationary : .moving }
        if now.isOccluded != before.isOccluded { return now.isOccluded ? .occluded : .visible }
        return time.seconds(since: lastTold) >= settings.updateInterval ? .interval : nil
    }

    private mutating func refreshTold(at time: StreamTime, settings: EventSettings) {
        lastTold = time
        told = state(settings: settings)
    }

    private func state(settings: EventSettings) -> Told {
        Told(
            zones: zones(settings), posture: posture.current, isStationary: stillness.isStationary,
            isOccluded: isOccluded)
    }

    private func zones(_ settings: EventSettings) -> [String] {
        zip(settings.zones, visits).filter { $0.1.isTold }.map(\.0.name)
    }

    private func report(cause: UpdateCause?, settings: EventSettings) -> TrackReport {
        // Where somebody out of sight is expected, no mask, joint or ground point says.
        var track = track
        track.person = seen
        return TrackReport(
            track: track, topScore: topScore, size: size, ground: ground, zones: zones(settings),
            enteredZones: enteredZones, stationary: stillness.isStationary, posture: posture.current, cause: cause,
            path: path.points)
    }

    private func bothFeet(confidence: Float) -> [Point]? {
        guard let left = track.person[.leftAnkle], let right = track.person[.rightAnkle],
            left.confidence >= confidence, right.confidence >= confidence
        else { return nil }
        return [left.position, right.position]
    }

    private var aspect: Float { Float(size.width) / Float(max(1, size.height)) }
}
