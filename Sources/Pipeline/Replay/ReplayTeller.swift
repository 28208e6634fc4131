internal import Events
internal import Foundation
internal import Ingest
internal import Scene

/// The last stages of a replay, on one queue: story, log, and the video on a queue of its own.
final class ReplayTeller: @unchecked Sendable {
    private(set) var summary = ReplaySummary()
    private var story: CameraStory
    private var sink: EventSink
    private var trackFile: TrackFile?
    private let artist: ReplayArtist?
    private let clock: StageClock
    private let source: ClockSource
    private var keeper: OverlayKeeper
    private var size: PixelSize

    init(_ options: ReplayOptions, info: StreamInfo, clock: StageClock) throws {
        let camera = CameraID(options.cameraName)
        self.clock = clock
        size = info.displaySize
        let views = options.pictureDirectory.map { directory in
            BestViewKeeper(
                directory: directory, isRedacted: options.redact, events: options.events, waits: true,
                complain: { StandardStream.error.write("hcqd: \($0)\n") })
        }
        story = CameraStory(
            camera: camera, firstOrdinal: 1, tracking: options.tracking, events: options.events, views: views)
        source =
            options.startTimeUTC != nil ? .given : info.startTimeUTC ?? 0 != 0 ? .container : .epoch
        sink = try EventSink(options.output, camera: camera, clock: source)
        let fps = min(options.sampleFPS ?? .infinity, info.fps ?? options.picturesFPS ?? 25)
        trackFile = try options.export.map { try TrackFile($0, fps: fps) }
        artist = options.annotate.map { ReplayArtist($0, options, info: info, clock: clock) }
        keeper = OverlayKeeper(options.events)
        summary.clip = info.location
        summary.size = info.displaySize
        summary.inputSize = info.inputSize
        summary.video = options.annotate
        if case .directory(let directory) = options.output { summary.log = EventSink.path(directory, camera) }
    }

    /// Takes the next frame's answer.
    func tell(_ answer: EngineWorkers.Answer) throws {
        size = answer.frame.size
        let chapter = clock.measure(.track) { story.update(with: answer.people, in: answer.frame) }
        try clock.measure(.write) {
            try sink.append(chapter.events)
            try trackFile?.append(chapter.tracks, people: answer.people, of: answer.frame)
        }
        summary.frames += 1
        let seen = chapter.tracks.count { $0.state == .seen }
        summary.sightings += seen
        summary.mostPeople = max(summary.mostPeople, seen)
        count(chapter.events)
        keeper.note(chapter.events)
        try artist?.draw(
            keeper.overlay(chapter.tracks, people: answer.people, caption: caption(answer.frame)), on: answer.frame)
    }

    /// The wall's time where it is known, else the clip's.
    private func caption(_ frame: Frame) -> String {
        let time =
            source == .epoch
            ? fixed(frame.time.seconds, 1) + " s" : Timestamp.text(utcMicroseconds: frame.time.utcMicroseconds)
        return "\(frame.camera)  \(time)"
    }

    /// Ends the story, the log and the video, each even when another fails.
    func finish(_ reason: EndReason) throws {
        var problems: [any Error] = []
        func attempt(_ body: () throws -> Void) {
            do { try body() } catch { problems.append(error) }
        }
        attempt {
            let events = story.finish(reason, size: size)
            count(events)
            try sink.append(events)
        }
        attempt { try sink.close(nextOrdinal: story.nextOrdinal) }
        attempt { try trackFile?.close() }
        attempt { try artist?.finish() }
        if let first = problems.first { throw first }
    }

    private func count(_ events: [Event]) {
        summary.events += events.count
        for event in events { if case .start = event.kind { summary.peopleSeen += 1 } }
    }
}
