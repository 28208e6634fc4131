internal import Dispatch
internal import Events
internal import Foundation
internal import Rendering
internal import Scene
internal import Synchronization
internal import Tracking

/// The story of one live camera: tracks, events, log. Everything here runs on the camera's own serial queue.
final class CameraTeller: @unchecked Sendable {
    let queue: DispatchQueue
    let counters: CameraCounters
    let log: EventLog
    private let camera: CameraID
    private let loop: LoopWatch.Loop
    private let onChapter: @Sendable (LiveMoment) -> Void
    private let onEvents: @Sendable ([Event], [[UInt8]]) -> Void
    // On `queue` only.
    private var story: CameraStory
    private var keeper: OverlayKeeper
    private var size = PixelSize(width: 1, height: 1)
    private var isClosed = false
    private let isBusy = Atomic(false)

    /// Opens the log, which ends what a crash left open.
    init(
        camera: CameraID, paths: LogPaths, configuration: Configuration, events: EventSettings, watch: LoopWatch,
        counters: CameraCounters, views: BestViewKeeper? = nil, onChapter: @escaping @Sendable (LiveMoment) -> Void,
        onEvents: @escaping @Sendable ([Event], [[UInt8]]) -> Void,
        onNews: @escaping @Sendable (LogNews) -> Void = { _ in }
    ) throws(EventLogError) {
        self.camera = camera
        self.counters = counters
        self.onChapter = onChapter
        self.onEvents = onEvents
        queue = DispatchQueue(label: "hcqd.story.\(camera.name)")
        loop = watch.loop("events of \(camera.name)")
        log = try EventLog(camera: camera, paths: paths, settings: configuration.log, onNews: onNews)
        story = CameraStory(
            camera: camera, firstOrdinal: log.firstOrdinal, tracking: configuration.tracking, events: events,
            views: views)
        keeper = OverlayKeeper(events)
        counters.noted(eventTypes: log.recovered.map { EventRecord.type(of: $0.kind) })
    }

    /// Takes the next frame's answer. On `queue`.
    func tell(_ answer: EngineWorkers.Answer) {
        guard !isClosed else { return }
        loop.enter("a frame", within: 30)
        defer { loop.rest() }
        size = answer.frame.size
        let chapter = story.update(with: answer.people, in: answer.frame)
        isBusy.store(chapter.isBusy, ordering: .relaxed)
        onEvents(chapter.events, log.append(chapter.events))
        counters.told(
            answer.frame, people: chapter.tracks.count { $0.state == .seen }, inferenceNanoseconds: answer.nanoseconds,
            eventTypes: chapter.events.map { EventRecord.type(of: $0.kind) })
        keeper.note(chapter.events)
        let caption = "\(camera)  \(Timestamp.text(utcMicroseconds: answer.frame.time.utcMicroseconds))"
        onChapter(
            LiveMoment(
                frame: answer.frame, overlay: keeper.overlay(chapter.tracks, people: answer.people, caption: caption)))
    }

    /// Whether somebody is being followed; from any thread.
    var followsSomebody: Bool { isBusy.load(ordering: .relaxed) }

    /// Says that the stream's state changed, after ending the tracks that cannot go on.
    func change(_ change: CameraChange, ending reason: EndReason?) {
        queue.async { [self] in
            guard !isClosed else { return }
            var events = reason.map { story.finish($0, size: size) } ?? []
            if reason != nil { isBusy.store(false, ordering: .relaxed) }
            events.append(Event(camera: camera, time: now(), kind: .camera(change)))
            write(events)
        }
    }

    /// Writes a `stats` line.
    func writeStatistics() {
        queue.async { [self] in
            guard !isClosed else { return }
            write([Event(camera: camera, time: now(), kind: .stats(counters.report()))])
        }
    }

    /// Ends every track and closes the log; waits until that is done.
    /// - Throws: when lines could not be written.
    func close(_ reason: EndReason) throws {
        try queue.sync {
            guard !isClosed else { return }
            isClosed = true
            write(story.finish(reason, size: size))
            try log.close(nextOrdinal: story.nextOrdinal)
        }
    }

    private func write(_ events: [Event]) {
        loop.enter("events", within: 30)
        defer { loop.rest() }
        onEvents(events, log.append(events))
        counters.noted(eventTypes: events.map { EventRecord.type(of: $0.kind) })
    }

    /// This moment on the stream's clock as far as it is known, and on the wall's.
    private func now() -> StreamTime {
        StreamTime(microseconds: story.lastTime?.microseconds ?? 0, utcMicroseconds: wallMicroseconds())
    }
}

/// What was seen in one frame, for those who look on.
struct LiveMoment: Sendable {
    let frame: Frame
    let overlay: Overlay
}

/// Microseconds since 1970 by the machine's clock.
func wallMicroseconds() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
}
