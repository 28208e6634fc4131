internal import Dispatch
internal import Events
internal import Foundation
internal import Ingest
public import Scene
internal import Synchronization

/// A clip from its first frame to its last: every frame decoded, sent through the network, tracked, told and drawn.
///
/// Reading, network, tracking and drawing run at the same time; the answers are put back in order in between, so that the
/// same clip gives the same bytes for any number of threads.
public final class Replay: Sendable {
    private let options: ReplayOptions
    private let interruption = Interruption()
    private let failure = Mutex<(any Error)?>(nil)
    private let wasStopped = Atomic(false)

    public init(_ options: ReplayOptions) { self.options = options }

    /// Ends the replay soon, from any thread: what was read is finished, the log and the video are completed.
    public func stop() {
        wasStopped.store(true, ordering: .relaxed)
        interruption.interrupt()
    }

    private func fail(_ error: any Error) {
        failure.withLock { $0 = $0 ?? error }
        interruption.interrupt()
    }

    /// A clip that is open and waits to be run.
    public struct Clip {
        fileprivate let source: VideoSource

        public var location: String { source.info.location }
        /// What the network will see of it.
        public var inputSize: PixelSize { source.info.inputSize }
        /// Frames that will come; nil when the container does not tell.
        public var frameCount: Int? { source.info.frameCount }
    }

    /// Opens the clip.
    /// - Throws: `IngestError` when there is nothing usable.
    public func open() throws -> Clip {
        try refuseOverwriting()
        let fixed = options.inputSize
        let source = try source(inputSize: fixed ?? PixelSize(width: 640, height: 384))
        // The same source, because a pipe can be read only once.
        if fixed == nil { source.fit(fittingInputSize(for: source.info.displaySize, within: ReplayOptions.bounds)) }
        return Clip(source: source)
    }

    /// - Throws: `ReplayError.wouldOverwrite` when an output would go where the clip or another output is.
    private func refuseOverwriting() throws(ReplayError) {
        var taken = [(name: "the clip", path: options.clip)]
        for output in options.outputs {
            if let other = taken.first(where: { Self.sameFile($0.path, output.path) }) {
                throw .wouldOverwrite(option: output.option, path: output.path, what: other.name)
            }
            taken.append((name: "what \(output.option) writes", path: output.path))
        }
    }

    private func source(inputSize: PixelSize) throws -> VideoSource {
        var settings = SourceSettings(
            inputSize: inputSize, keepPicture: options.annotate != nil || options.snapshots,
            sampleFPS: options.sampleFPS,
            start: options.start, end: options.end, picturesFPS: options.picturesFPS ?? 25,
            startTimeUTC: options.startTimeUTC)
        settings.isPatientWithPipes = true
        return try VideoSource(
            options.clip, camera: CameraID(options.cameraName), settings: settings, interruption: interruption)
    }

    /// Runs to the end on the calling thread, which becomes the reader.
    /// - Parameters:
    ///   - clip: From `open()`.
    ///   - engine: Its detectors take frames of the clip's input size.
    ///   - onProgress: Called after every frame, from one queue.
    /// - Throws: `IngestError`, `EventLogError`, `RenderingError` or `ReplayError`; what was done until then is on disk.
    public func run(
        _ clip: Clip, engine: EngineWorkers, onProgress: @escaping @Sendable (Int, Int) -> Void
    ) throws -> ReplaySummary {
        let source = clip.source
        let clock = StageClock()
        let started = monotonicSeconds()
        let teller = try ReplayTeller(options, info: source.info, clock: clock)
        let queue = DispatchQueue(label: "hcqd.story")
        let underWay = DispatchGroup()
        let mailbox = Mailbox(.every(capacity: 2 * engine.count + 4))
        let seat = engine.seat(mailbox, on: queue) { [self] answer in
            defer { underWay.leave() }
            clock.add(.network, answer.nanoseconds)
            guard failure.withLock({ $0 == nil }) else { return }
            do {
                try teller.tell(answer)
                onProgress(teller.summary.frames, answer.people.count)
            } catch {
                fail(error)
            }
        }
        do {
            while let frame = try clock.measure(.decode, { try source.next() }) {
                underWay.enter()
                _ = engine.submit(frame, at: seat)
            }
        } catch IngestError.interrupted {
        } catch {
            fail(error)
        }
        underWay.wait()
        let stopped = wasStopped.load(ordering: .relaxed)
        queue.sync {
            do { try teller.finish(stopped ? .shutdown : .endOfStream) } catch { fail(error) }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        var summary = teller.summary
        summary.seconds = monotonicSeconds() - started
        summary.stages = clock.seconds
        summary.warnings = source.warnings.map(\.description)
        summary.wasInterrupted = stopped
        return summary
    }

    /// Whether what is written to one path is lost in the other; devices and pipes take anything.
    private static func sameFile(_ a: String, _ b: String) -> Bool {
        var (first, second) = (stat(), stat())
        guard stat(a, &first) == 0, stat(b, &second) == 0 else {
            return URL(filePath: a).standardizedFileURL == URL(filePath: b).standardizedFileURL
        }
        let isStored = [S_IFREG, S_IFDIR].contains(first.st_mode & S_IFMT)
        return isStored && first.st_ino == second.st_ino && first.st_dev == second.st_dev
    }
}
