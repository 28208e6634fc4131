internal import Dispatch
internal import Events
internal import Foundation
internal import Rendering
internal import Scene
internal import Synchronization

/// Makes pictures of the cameras' last moments, when somebody asks, and once for all who ask at the same time.
final class LivePainter: Sendable {
    struct Picture: Sendable {
        /// Rises with every picture.
        let time: StreamTime
        let jpeg: Data
    }

    private let live: LiveMoments
    private let settings: RenderingSettings
    private let stillQueue = DispatchQueue(label: "hcqd.stills", qos: .utility)
    private let easels = Mutex<[CameraID: Easel]>([:])

    init(_ live: LiveMoments, settings: RenderingSettings) {
        self.live = live
        self.settings = settings
    }

    /// The camera's last moment as JPEG; nil when there is none yet.
    /// - Throws: `RenderingError`.
    func picture(of camera: CameraID) async throws -> Picture? {
        guard let moment = live[camera] else { return nil }
        let easel = easels.withLock { easels in
            let easel = easels[camera] ?? Easel(settings)
            easels[camera] = easel
            return easel
        }
        return try await withCheckedThrowingContinuation { continuation in
            easel.queue.async { continuation.resume(with: Result { try easel.paint(moment) }) }
        }
    }

    /// The camera's last moment with nothing drawn on it but what must not be seen; nil when there is none yet.
    /// - Throws: `RenderingError`.
    func still(of camera: CameraID, events: EventSettings) async throws -> ZonePages.Still? {
        guard let moment = live[camera] else { return nil }
        let settings = settings
        return try await withCheckedThrowingContinuation { continuation in
            stillQueue.async {
                continuation.resume(
                    with: Result {
                        let jpeg = try StillEasel(settings, events: events).paint(
                            moment.frame, people: moment.overlay.people, tracks: moment.overlay.tracks)
                        let people = moment.overlay.tracks.count { $0.state == .seen }
                        return ZonePages.Still(seconds: moment.frame.time.seconds, people: people, jpeg: jpeg)
                    })
            }
        }
    }

    /// One camera's tools; everything on its queue.
    private final class Easel: @unchecked Sendable {
        let queue = DispatchQueue(label: "hcqd.live", qos: .utility)
        private let annotator: Annotator
        private let encoder: PictureEncoder
        private var last: Picture?

        init(_ settings: RenderingSettings) {
            annotator = Annotator(settings: settings)
            encoder = PictureEncoder(.jpeg(quality: 80), redaction: settings.redact)
        }

        func paint(_ moment: LiveMoment) throws -> Picture {
            if let last, last.time == moment.frame.time { return last }
            let canvas = try annotator.draw(moment.overlay, on: moment.frame)
            let picture = Picture(time: moment.frame.time, jpeg: Data(try encoder.encode(canvas)))
            last = picture
            return picture
        }
    }
}
