internal import Events
internal import Scene
internal import Tracking

/// What one camera's people do, frame after frame: detections become tracks, tracks become events.
///
/// Used from the camera's serial queue.
struct CameraStory {
    let camera: CameraID
    private var tracker: Tracker
    private var rules: EventRules
    private(set) var lastTime: StreamTime?

    init(camera: CameraID, firstOrdinal: UInt64, tracking: TrackerSettings, events: EventSettings) {
        self.camera = camera
        tracker = Tracker(camera: camera, firstOrdinal: firstOrdinal, settings: tracking)
        rules = EventRules(camera: camera, settings: events)
    }

    var nextOrdinal: UInt64 { tracker.nextOrdinal }

    /// What one frame tells.
    struct Chapter {
        let tracks: [Track]
        let events: [Event]

        /// Whether somebody is being followed.
        var isBusy: Bool { tracks.contains { if case .ended = $0.state { false } else { true } } }
    }

    mutating func update(with people: [Person], in frame: Frame) -> Chapter {
        lastTime = frame.time
        tracker.frameAspect = Double(frame.size.width) / Double(max(1, frame.size.height))
        let tracks = tracker.update(with: people, at: frame.time)
        return Chapter(tracks: tracks, events: rules.update(with: tracks, at: frame.time, size: frame.size))
    }

    /// Ends every track that is still open.
    mutating func finish(_ reason: EndReason, size: PixelSize) -> [Event] {
        guard let lastTime else { return [] }
        let events = rules.update(with: tracker.finish(reason), at: lastTime, size: size)
        return events + rules.finish(reason, at: lastTime)
    }
}
