internal import Events
internal import Scene
internal import Tracking

/// What one camera's people do, frame after frame: detections become tracks, tracks become events.
///
/// Used from the camera's serial queue.
struct CameraStory {
    let camera: CameraID
    private var tracker: Tracker
    private let filter: PersonFilter
    private var rules: EventRules
    /// nil where nobody wants to know of a covered or moved camera.
    private var view: ViewWatch?
    /// nil where no pictures are wanted.
    private let views: BestViewKeeper?
    private(set) var lastTime: StreamTime?

    init(
        camera: CameraID, firstOrdinal: UInt64, tracking: TrackerSettings, events: EventSettings,
        views: BestViewKeeper? = nil
    ) {
        self.views = views
        self.camera = camera
        tracker = Tracker(camera: camera, firstOrdinal: firstOrdinal, settings: tracking)
        filter = PersonFilter(settings: events)
        rules = EventRules(camera: camera, settings: events)
        view = events.viewWatch ? ViewWatch() : nil
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
        let tracks = tracker.update(with: filter(people), at: frame.time)
        var events = rules.update(with: tracks, at: frame.time, size: frame.size)
        if let change = view?.observe(frame.input, at: frame.time) {
            events.append(Event(camera: camera, time: frame.time, kind: .camera(change)))
        }
        views?.note(tracks, people: people, in: frame)
        return Chapter(tracks: tracks, events: views?.attach(to: events) ?? events)
    }

    /// Ends every track that is still open.
    mutating func finish(_ reason: EndReason, size: PixelSize) -> [Event] {
        if reason == .discontinuity { view?.forget() }
        guard let lastTime else { return [] }
        let events = rules.update(with: tracker.finish(reason), at: lastTime, size: size)
        let all = events + rules.finish(reason, at: lastTime)
        defer { views?.settle() }
        return views?.attach(to: all) ?? all
    }
}
