internal import Dispatch
internal import Ingest
internal import Rendering
internal import Scene
internal import Synchronization

/// Draws a replay's video on a queue of its own.
final class ReplayArtist: @unchecked Sendable {
    private let path: String
    private let fps: Double
    private let clock: StageClock
    private let queue = DispatchQueue(label: "hcqd.draw")
    /// Frames that may wait to be drawn.
    private let room = DispatchSemaphore(value: 0)
    private let failure = Mutex<RenderingError?>(nil)
    // On `queue` only.
    private let annotator: Annotator
    private let redaction: Redaction
    private var writer: VideoWriter?

    init(_ path: String, _ options: ReplayOptions, info: StreamInfo, clock: StageClock) {
        self.path = path
        self.clock = clock
        fps = min(options.sampleFPS ?? .infinity, info.fps ?? options.picturesFPS ?? 25)
        var settings = RenderingSettings()
        settings.redact = options.redact ? .always : .never
        redaction = settings.redact
        annotator = Annotator(settings: settings)
        for _ in 0..<8 { room.signal() }
    }

    /// Draws a frame later; waits while too many are before it.
    /// - Throws: what went wrong with an earlier one.
    func draw(_ overlay: Overlay, on frame: Frame) throws(RenderingError) {
        if let error = failure.withLock({ $0 }) { throw error }
        room.wait()
        queue.async { [self] in
            defer { room.signal() }
            guard failure.withLock({ $0 == nil }) else { return }
            clock.measure(.draw) { paint(overlay, on: frame) }
        }
    }

    private func paint(_ overlay: Overlay, on frame: Frame) {
        do throws(RenderingError) {
            let canvas = try annotator.draw(overlay, on: frame)
            if writer == nil { writer = try VideoWriter(path, size: canvas.size, fps: fps, redaction: redaction) }
            try writer?.write(canvas, at: frame.time)
        } catch {
            failure.withLock { $0 = error }
        }
    }

    /// Draws what waits and completes the file.
    func finish() throws(RenderingError) {
        queue.sync {
            do throws(RenderingError) { try writer?.finish() } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }
}
