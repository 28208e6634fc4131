public import Scene

/// Turns one camera's tracks into events: a plain value that reads no clock.
public struct EventRules: Sendable {
    private let camera: CameraID
    private let settings: EventSettings
    private var places: Places
    /// People whose track is not over, by ordinal.
    private var stories: [UInt64: TrackStory] = [:]
    private var occupancy: [Int]
    private var saidOccupancy: [Int]

    /// - Precondition: `settings` are valid.
    public init(camera: CameraID, settings: EventSettings) {
        self.camera = camera
        self.settings = settings
        self.places = Places(settings)
        self.occupancy = [Int](repeating: 0, count: settings.zones.count)
        self.saidOccupancy = occupancy
    }

    /// What happened between the last update and this one, in order.
    /// - Parameters:
    ///   - tracks: all confirmed tracks, as the tracker gives them.
    ///   - size: the frame's size in pixels.
    public mutating func update(with tracks: [Track], at time: StreamTime, size: PixelSize) -> [Event] {
        places.prepare(for: size)
        var kinds: [Event.Kind] = []
        for track in tracks {
            let ordinal = track.id.ordinal
            if case .ended(let reason) = track.state {
                if var story = stories.removeValue(forKey: ordinal) {
                    story.end(track, reason: reason, at: time, settings: settings, into: &kinds)
                }
            } else {
                var story = stories.removeValue(forKey: ordinal) ?? TrackStory(track, places: places, size: size)
                story.observe(track, at: time, size: size, settings: settings, places: places, into: &kinds)
                stories[ordinal] = story
            }
        }
        return events(kinds, at: time)
    }

    /// Ends every track that the tracker has not ended, for when a camera is switched off under it.
    public mutating func finish(_ reason: EndReason, at time: StreamTime) -> [Event] {
        var kinds: [Event.Kind] = []
        for (_, story) in stories.sorted(by: { $0.key < $1.key }) {
            var story = story
            story.end(story.track, reason: reason, at: time, settings: settings, into: &kinds)
        }
        stories = [:]
        return events(kinds, at: time)
    }

    private mutating func events(_ kinds: [Event.Kind], at time: StreamTime) -> [Event] {
        for kind in kinds {
            switch kind {
            case .zoneEntered(_, let zone): count(zone, 1)
            case .zoneLeft(_, let zone, _): count(zone, -1)
            default: break
            }
        }
        var all = kinds
        for (i, zone) in settings.zones.enumerated() where occupancy[i] != saidOccupancy[i] {
            all.append(.occupancy(zone: zone.name, count: occupancy[i]))
            saidOccupancy[i] = occupancy[i]
        }
        return all.map { Event(camera: camera, time: time, kind: $0) }
    }

    private mutating func count(_ zone: String, _ change: Int) {
        if let i = settings.zones.firstIndex(where: { $0.name == zone }) { occupancy[i] += change }
    }
}
